"""Golden volumes: made once, never half, never somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from test_host_transfer import sparse_image

from harness.errors import LabError
from harness.guest.cache import Image
from harness.guest.manifest import Manifest
from harness.host.fake import FakeHost
from harness.host.golden import GoldenVolume, ensure_golden
from harness.host.reaper import reap_dead
from harness.progress import silent
from harness.storage.names import golden_name, golden_tags, scratch_tags

RUN = "smoke-20261122-114412-a1b2c3"
DEAD = "smoke-20261121-000000-0f0f0f"
NAME = golden_name("0123456789abcdef")


class Transfer:
    """Remembers what the volume was when it was written to."""

    name = "fake"

    def __init__(self, fake: FakeHost, error: LabError | None = None) -> None:
        self.seen: list[set[str]] = []
        self._fake = fake
        self._error = error

    def send(self, image: Image, device: str) -> None:
        self.seen.append(set(self._fake.volumes[device.rpartition("/")[2]]))
        if self._error:
            raise self._error


@pytest.fixture
def fake() -> FakeHost:
    made = FakeHost()
    made.runner.on("debugfs -R")
    return made


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return sparse_image(tmp_path / "image")


def ensure(fake: FakeHost, image: Image, transfer: Transfer) -> GoldenVolume:
    return ensure_golden(fake.host, image, RUN, transfer, silent)


def test_it_is_sent_once_and_then_reused(fake: FakeHost, image: Image) -> None:
    transfer = Transfer(fake)
    first, second = ensure(fake, image, transfer), ensure(fake, image, transfer)
    assert (first.name, first.reused, second.reused) == (NAME, False, True)
    assert len(transfer.seen) == 1
    assert first.boot == second.boot
    assert fake.locked == set()


def test_until_it_is_whole_it_is_the_flights_and_then_nobodys(fake: FakeHost, image: Image) -> None:
    transfer = Transfer(fake)
    ensure(fake, image, transfer)
    assert transfer.seen == [set(scratch_tags(RUN, NAME))]
    assert fake.volumes[NAME] == set(golden_tags("0123456789abcdef"))
    (change,) = [line for line in fake.runner.lines if line.startswith("lvchange")]
    assert "--permission r" in change, "read only and handed over at once"


def test_a_half_made_one_is_replaced(fake: FakeHost, image: Image) -> None:
    fake.volumes[NAME] = set(scratch_tags(DEAD, NAME))
    transfer = Transfer(fake)
    assert ensure(fake, image, transfer).reused is False
    assert len(transfer.seen) == 1


def test_one_whose_sending_failed_is_reaped_like_any_leftover(fake: FakeHost, image: Image) -> None:
    with pytest.raises(LabError, match="the cable"):
        ensure(fake, image, Transfer(fake, LabError("the cable")))
    assert fake.locked == set()
    assert [left.run for left in reap_dead(fake.host)] == [RUN]
    assert fake.volumes == {}


def test_a_whole_one_outlives_the_flight_that_made_it(fake: FakeHost, image: Image) -> None:
    ensure(fake, image, Transfer(fake))
    assert reap_dead(fake.host) == []
    assert NAME in fake.volumes


def test_while_another_makes_it_one_waits(fake: FakeHost, image: Image) -> None:
    fake.locked.add("golden-0123456789abcdef")
    transfer = Transfer(fake)
    with pytest.raises(LabError, match="golden-0123456789abcdef"):
        ensure(fake, image, transfer)
    assert transfer.seen == []


def without_kernel(manifest: Manifest) -> Manifest:
    return replace(manifest, kernel=None)


def without_initrd(manifest: Manifest) -> Manifest:
    return replace(manifest, initrd=None)


@pytest.mark.parametrize("without", [without_kernel, without_initrd])
def test_an_image_without_boot_files_is_golden_all_the_same(
    fake: FakeHost, image: Image, without: Callable[[Manifest], Manifest]
) -> None:
    bare = replace(image, manifest=without(image.manifest))
    found = ensure(fake, bare, Transfer(fake))
    assert (found.name, found.boot) == (NAME, None)
    assert fake.volumes[NAME] == set(golden_tags("0123456789abcdef"))
    assert not [line for line in fake.runner.lines if "debugfs" in line]
    assert ensure(fake, image, Transfer(fake)).boot is not None


def test_one_with_other_boot_files_than_were_built_is_for_no_other_flight(
    fake: FakeHost, image: Image
) -> None:
    fake.runner.before("take-boot-files", raises=LabError("they are not those that were built"))
    with pytest.raises(LabError, match="not those that were built"):
        ensure(fake, image, Transfer(fake))
    assert fake.volumes[NAME] == set(scratch_tags(RUN, NAME)), "the sweep removes it"
