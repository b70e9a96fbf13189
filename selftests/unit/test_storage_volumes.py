"""Making and removing volumes: LVM's own words, recorded from LVM 2.03.16, drive a fake host."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.errors import CommandFailed, DeadlineExceeded, LabError, UsageError
from harness.remote.fake import FakeRunner
from harness.storage import names
from harness.storage.volumes import VolumeManager
from harness.units import Size
from harness.wait import Deadline

DATA = Path(__file__).parents[1] / "data" / "lvm"
LVS = (DATA / "lvs-2.03.16.json").read_text()
VGS = (DATA / "vgs-2.03.16.json").read_text()
GOLDEN = "xf-golden-0123456789abcdef"
SCRATCH = "xf-5e860f464fbc-root"
IN_USE = f"  Logical volume xenflight/{SCRATCH} in use.\n"


class JumpingClock:
    """A clock that passes time by being asked to sleep."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.01)


def a_minute() -> Deadline:
    """A deadline that comes without waiting."""
    return Deadline.after(timedelta(minutes=1), JumpingClock())


@pytest.fixture
def host() -> FakeRunner:
    """A host that reports what was recorded."""
    fake = FakeRunner()
    fake.on(r"^lvs .* xenflight$", LVS)
    fake.on(r"^vgs .* xenflight$", VGS)
    fake.on(r"^udevadm settle")
    return fake


@pytest.fixture
def volumes(host: FakeRunner) -> VolumeManager:
    """The manager under test."""
    return VolumeManager(host, "xenflight", "pool")


def changed(name: str, **fields: str) -> str:
    """The recorded report with one volume changed."""
    report: dict[str, Any] = json.loads(LVS)
    for row in report["report"][0]["lv"]:
        if row["lv_name"] == name:
            row.update(fields)
    return json.dumps(report)


def test_check_gives_the_pool(volumes: VolumeManager) -> None:
    assert volumes.check().name == "pool"


def test_check_without_the_group() -> None:
    fake = FakeRunner()
    said = '  Volume group "novg" not found\n  Cannot process volume group novg\n'
    fake.on("^vgs|^lvs", '{"report": [{"vg": [ ]}]}', stderr=said, exit_status=5)
    manager = VolumeManager(fake, "novg", "pool")
    for call in (manager.check, manager.list):
        with pytest.raises(LabError, match="there is no volume group 'novg'"):
            call()


@pytest.mark.parametrize(("name", "why"), [("nopool", "does not exist"), (GOLDEN, "not a thin")])
def test_check_without_the_pool(host: FakeRunner, name: str, why: str) -> None:
    with pytest.raises(LabError, match=f"xenflight/{name} .*{why}"):
        VolumeManager(host, "xenflight", name).check()


@pytest.mark.parametrize("kind", ["data", "metadata"])
def test_check_of_a_pool_that_is_nearly_full(kind: str) -> None:
    fake = FakeRunner()
    fake.on("^lvs", changed("pool", **{f"{kind}_percent": "97.50"}))
    fake.on("^vgs", VGS)
    with pytest.raises(LabError, match=rf"the {kind} of thin pool xenflight/pool is 97.5 % full"):
        VolumeManager(fake, "xenflight", "pool").check()


def test_list_shows_only_what_is_ours(volumes: VolumeManager) -> None:
    assert {volume.name for volume in volumes.list()} == {GOLDEN, SCRATCH}
    assert [volume.name for volume in volumes.list("xenflight.run=20261122-1")] == [SCRATCH]
    assert volumes.list("xenflight.run=other") == ()
    assert volumes.find("pool") is not None
    assert volumes.find("nothing") is None


def test_create_thin_never_asks(host: FakeRunner, volumes: VolumeManager) -> None:
    host.on("^lvcreate")
    path = volumes.create_thin("xf-a", Size(100_000_000), names.golden_tags("k"))
    assert path == "/dev/xenflight/xf-a"
    assert host.lines == [
        "lvcreate --yes --wipesignatures n --setactivationskip n --virtualsize 96m --thinpool pool "
        "--name xf-a --addtag xenflight --addtag xenflight.role=golden --addtag xenflight.key=k "
        "xenflight"
    ]


def test_bad_names_and_tags_reach_no_host(host: FakeRunner, volumes: VolumeManager) -> None:
    with pytest.raises(UsageError):
        volumes.create_thin("a b", Size(1), ())
    with pytest.raises(UsageError):
        volumes.snapshot(GOLDEN, "xf-a", ("a b",))
    assert host.calls == []


@pytest.mark.parametrize(
    "said",
    [
        '  Volume group "xenflight" has insufficient free space (512 extents): 999 required.',
        "  Cannot create new thin volume, free space in thin pool vg/pool reached threshold.",
        "  Insufficient suitable allocatable extents for logical volume xf-a: 3 more required",
    ],
)
def test_no_space_says_how_much_is_free(
    host: FakeRunner, volumes: VolumeManager, said: str
) -> None:
    host.on("^lvcreate", stderr=said, exit_status=5)
    with pytest.raises(
        LabError, match=r"2.0 GiB of xenflight are in no volume.*37.9 GiB, 0.03 % full"
    ):
        volumes.create_thin("xf-a", Size.parse("1G"), ())


def test_other_failures_quote_lvm(host: FakeRunner, volumes: VolumeManager) -> None:
    said = "  Snapshot origin LV nope not found in Volume group xenflight.\n"
    host.on("^lvcreate", stderr=said, exit_status=5)
    with pytest.raises(CommandFailed, match="Snapshot origin LV nope not found"):
        volumes.snapshot("nope", "xf-a", ())


def test_snapshot_of_the_same_size_is_one_command(host: FakeRunner, volumes: VolumeManager) -> None:
    host.on("^lvcreate")
    assert volumes.snapshot(GOLDEN, SCRATCH, ()) == f"/dev/xenflight/{SCRATCH}"
    (line,) = host.lines
    assert line == (
        "lvcreate --yes --snapshot --setactivationskip n --permission rw "
        f"--name {SCRATCH} xenflight/{GOLDEN}"
    )


@pytest.mark.parametrize(("size", "grows"), [("128M", False), ("100M", False), ("2G", True)])
def test_snapshot_only_ever_grows(
    host: FakeRunner, volumes: VolumeManager, size: str, grows: bool
) -> None:
    host.on("^lvcreate|^lvextend")
    volumes.snapshot(GOLDEN, SCRATCH, (), Size.parse(size))
    extended = [line for line in host.lines if line.startswith("lvextend")]
    expected = [f"lvextend --yes --size 2048m xenflight/{SCRATCH}"] if grows else []
    assert extended == expected


def test_set_readonly_twice(host: FakeRunner, volumes: VolumeManager) -> None:
    already = f'  Logical volume "xenflight/{GOLDEN}" is already read only.\n'
    host.on("^lvchange --yes --permission r", times=1)
    host.on("^lvchange --yes --permission r", stderr=already, exit_status=5)
    volumes.set_readonly(GOLDEN)
    volumes.set_readonly(GOLDEN)
    host.on("^lvchange --yes --addtag a --addtag b xenflight/", times=1)
    volumes.add_tags(GOLDEN, ("a", "b"))
    assert len(host.calls) == 3


def test_set_readonly_of_nothing_fails(host: FakeRunner, volumes: VolumeManager) -> None:
    said = '  Failed to find logical volume "xenflight/nope"\n'
    host.on("^lvchange", stderr=said, exit_status=5)
    with pytest.raises(CommandFailed, match="Failed to find"):
        volumes.set_readonly("nope")


def test_remove(host: FakeRunner, volumes: VolumeManager) -> None:
    host.on("^lvremove")
    volumes.remove(SCRATCH, a_minute())
    assert host.lines[-1] == f"lvremove --yes xenflight/{SCRATCH}"


def test_remove_what_is_gone(host: FakeRunner, volumes: VolumeManager) -> None:
    volumes.remove("xf-gone", a_minute())
    said = f'  Failed to find logical volume "xenflight/{SCRATCH}"\n'
    host.on("^lvremove", stderr=said, exit_status=5)
    volumes.remove(SCRATCH, a_minute())


def test_remove_refuses_what_is_not_ours(host: FakeRunner, volumes: VolumeManager) -> None:
    host.on("^lvremove")
    with pytest.raises(LabError, match="has no tag 'xenflight'"):
        volumes.remove("pool", a_minute())
    assert not any(line.startswith("lvremove") for line in host.lines)


@pytest.mark.parametrize(
    "said", [IN_USE, f"  Logical volume xenflight/{SCRATCH} contains a filesystem in use.\n"]
)
def test_remove_tries_again_while_busy(host: FakeRunner, volumes: VolumeManager, said: str) -> None:
    host.on("^lvremove", stderr=said, exit_status=5, times=3)
    host.on("^lvremove")
    volumes.remove(SCRATCH, a_minute())
    assert len([line for line in host.lines if line.startswith("lvremove")]) == 4
    assert "udevadm settle --timeout=10" in host.lines


def test_remove_gives_up_and_names_the_holders(host: FakeRunner, volumes: VolumeManager) -> None:
    host.on("^lvremove", stderr=IN_USE, exit_status=5)
    host.on(r"(?s)holders.* dm-5$", "vbd of domain 3\nprocess 17 (sleep 200 )\n")
    held = "last seen: .* in use.; held by: vbd of domain 3, process 17"
    with pytest.raises(LabError, match=held):
        volumes.remove(SCRATCH, a_minute())


@pytest.mark.parametrize(
    ("prepare", "held"),
    [
        (lambda host: host.on("holders", ""), "nobody that can be seen"),
        (lambda host: host.on("holders", raises=DeadlineExceeded("hung")), r"unknown \(hung\)"),
    ],
)
def test_holders_that_cannot_be_found(
    host: FakeRunner, volumes: VolumeManager, prepare: Callable[[FakeRunner], None], held: str
) -> None:
    host.on("^lvremove", stderr=IN_USE, exit_status=5)
    prepare(host)
    with pytest.raises(LabError, match=f"held by: {held}"):
        volumes.remove(SCRATCH, a_minute())


def test_remove_that_fails_for_another_reason_is_not_repeated(
    host: FakeRunner, volumes: VolumeManager
) -> None:
    host.on("^lvremove", stderr="  Couldn't find device with uuid x.\n", exit_status=5)
    with pytest.raises(CommandFailed, match=re.escape("Couldn't find device")):
        volumes.remove(SCRATCH, a_minute())
