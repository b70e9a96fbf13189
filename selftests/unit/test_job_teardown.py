"""Removing one guest: all rungs are climbed, and every error is told."""

from __future__ import annotations

import pytest

from harness.errors import HostLost, LabError
from harness.host.fake import FakeHost
from harness.job.teardown import remove_guest, what_is_left
from harness.storage.names import scratch_tags
from harness.xen.domain import Domain

NAME, VOLUME = "xf.smoke-1.0123456789", "xf-0123456789ab-root"


@pytest.fixture
def fake() -> FakeHost:
    tags = set(scratch_tags("smoke-1", "boot"))
    return FakeHost(domains={NAME: 5}, volumes={VOLUME: tags})


def domain(fake: FakeHost) -> Domain:
    return Domain(fake.host.xl, name=NAME, domid=5)


@pytest.mark.parametrize("known", [True, False])
def test_domain_and_volume_go_also_when_nobody_knows_whether_it_was_made(
    fake: FakeHost, known: bool
) -> None:
    remove_guest(fake.host, NAME, domain(fake) if known else None, [VOLUME])
    assert (fake.domains, fake.volumes) == ({}, {})


def test_well_when_all_is_gone(fake: FakeHost) -> None:
    fake.domains.clear()
    fake.volumes.clear()
    remove_guest(fake.host, NAME, domain(fake), [VOLUME])
    remove_guest(fake.host, NAME, None, [VOLUME])


def test_the_volume_is_tried_though_the_domain_would_not_go_and_all_is_told(
    fake: FakeHost,
) -> None:
    fake.runner.before(r"^xl ", raises=HostLost("xl hangs"))
    remove_error = remove_failing(fake)
    assert "xl hangs" in remove_error
    assert fake.volumes == {}
    fake.volumes[VOLUME] = set(scratch_tags("smoke-1", "boot"))
    fake.stuck[VOLUME] = "Cannot process"
    remove_error = remove_failing(fake)
    assert "xl hangs" in remove_error
    assert "Cannot process" in remove_error


def remove_failing(fake: FakeHost) -> str:
    with pytest.raises(LabError) as caught:
        remove_guest(fake.host, NAME, None, [VOLUME])
    return caught.value.message


def test_a_volume_that_is_not_ours_stays(fake: FakeHost) -> None:
    fake.volumes[VOLUME] = {"somebody.else"}
    with pytest.raises(LabError, match="not ours to remove"):
        remove_guest(fake.host, NAME, domain(fake), [VOLUME])
    assert fake.domains == {}
    assert VOLUME in fake.volumes


def test_what_is_left_is_named(fake: FakeHost) -> None:
    assert what_is_left(fake.host, domain(fake), [VOLUME]) == [f"LV {VOLUME}", f"domain {NAME}"]
    remove_guest(fake.host, NAME, None, [VOLUME])
    assert what_is_left(fake.host, domain(fake), [VOLUME]) == []
    assert what_is_left(fake.host, None, [VOLUME]) == []
