"""Disks of a guest under proof: each fault that may befall one is told by its own class."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from bench_samples import Bench, guest_bench

from harness.errors import CommandFailed, GuestFailure, LabError, NotApplicable
from harness.flight.axes import Devices, DiskFormat, Virt
from harness.flight.needs import HostFlag
from harness.host.capabilities import Capabilities
from harness.host.fake import FakeHost
from harness.host.names import build_directory
from harness.job import diskproof
from harness.job.backings import (
    DAMAGED,
    SIZE,
    Backing,
    LaterDisk,
    hash_backing,
    make_disk,
    plan_disk,
    require_backing,
)
from harness.job.guestdisks import BULK_TIMEOUT
from harness.remote.fake import Call, Reply
from harness.sim.clock import SimClock
from harness.storage.names import scratch_tags, tag_value
from harness.units import Size
from harness.wait import SYSTEM_CLOCK
from harness.xen.config import Disk
from harness.xen.domain import Domain

ONE, OTHER = "1" * 64, "2" * 64
QEMU = Capabilities(flags=frozenset({HostFlag.QDISK}))


def report(read: int = SIZE) -> str:
    job = {"read": {"io_bytes": read, "bw": 10}, "write": {"io_bytes": SIZE, "bw": 20}}
    return f"note: something before\n{json.dumps({'jobs': [job]})}"


@dataclass
class Inside:
    """What is answered in the guest and in dom0; change it as you like."""

    answers: dict[str, list[Reply]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def of(self, name: str, *replies: Reply) -> None:
        """The n-th time *name* is asked for, the n-th of *replies*; then the last."""
        self.answers[name] = list(replies)

    def answer(self, call: Call) -> Reply:
        """By the name of the script, or the program."""
        name = call.command.script_name or call.command.argv[0]
        self.asked.append(" ".join((name, *call.command.argv[4:])))
        left = self.answers.get(name, [Reply()])
        return left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with guest_bench(tmp_path, monkeypatch) as made:
        made.guest._home.capabilities = QEMU
        made.guest._always = (Disk(path="/var/lib/small", vdev="xvdn", format="qcow2"),)
        made.guest.remember("boot_id", "b")
        monkeypatch.setattr(type(made.guest), "connected", property(lambda _: True))
        with SYSTEM_CLOCK.driven_by(SimClock()):
            yield made


@pytest.fixture
def inside(bench: Bench) -> Inside:
    """A good guest on a good host: the disk comes and goes, and is the same for both."""
    found = Inside()
    for name in ("hash-disk", "hash-backing", "put-file", "read-file"):
        found.of(name, *digests(ONE))
    found.of("fio-disk", Reply(stdout=report()))
    found.of("fill-fs", Reply(stdout="dd: error writing 'x': No space left on device\n"))
    found.of("grow-fs", Reply(stdout="112\n"))
    found.of("disk-size", Reply(stdout="192\n"))
    there = [False]
    bench.guest.over_ssh.on_call(
        " see-disk ", lambda _: Reply(stdout="there\n" if there[0] else "gone\n")
    )
    bench.guest.over_ssh.on_call(".", found.answer)
    runner = bench.fake.runner

    def change(state: bool) -> Reply:
        there[0] = state
        return Reply()

    runner.on_call("^xl block-attach ", lambda _: change(True))
    runner.on_call("^xl block-detach ", lambda _: change(False))
    runner.on("^(lvextend|qemu-img create) |make-image|forget-image")
    runner.on_call(" hash-backing ", found.answer)
    listing = "".join(f'/local/domain/0/backend/{kind}/7/51952 = ""\n' for kind in ("vbd", "qdisk"))
    runner.on_call("^xenstore-ls ", lambda _: Reply(stdout=listing if there[0] else ""))
    runner._rules.insert(0, runner._rules.pop())
    bench.guest._home.domain = Domain(bench.fake.host.xl, name=bench.guest.name, domid=7)
    return found


def failure_of(prove: Callable[[], None]) -> tuple[str | None, str]:
    with pytest.raises(GuestFailure) as caught:
        prove()
    return caught.value.phase, caught.value.failure_class


def digests(*which: str) -> list[Reply]:
    return [Reply(stdout=f"{one}  -\n") for one in which]


# -- whatever is behind it -----------------------------------------------------------------


@pytest.mark.parametrize("backing", [Backing.LV, Backing.RAW, Backing.QCOW2])
def test_a_good_disk(bench: Bench, inside: Inside, backing: Backing) -> None:
    before = set(bench.fake.volumes)
    diskproof.prove_disk(bench.guest, backing)
    assert [one for one in inside.asked if "fio-disk" in one] == [
        "fio-disk xvdo write",
        "fio-disk xvdo verify",
    ]
    assert set(bench.fake.volumes) == before, "what was behind it is gone"
    assert bench.guest.step.facts["fio_write_write"] == "20 KiB/s"


@pytest.mark.parametrize(
    ("name", "reply", "found"),
    [
        (
            "fio-disk",
            Reply(stdout="verify: bad magic header 0, wanted acca", exit_status=1),
            ("write", "corrupt-data"),
        ),
        (
            "fio-disk",
            Reply(stderr="fio: io_u error: Input/output error", exit_status=1),
            ("write", "io-error"),
        ),
        ("fio-disk", Reply(stdout=report(read=SIZE // 2)), ("write", "not-verified")),
        ("hash-backing", Reply(stdout=f"{OTHER}  -\n"), ("read", "corrupt-data")),
        (
            "hash-backing",
            Reply(stderr="1 errors were found on the image", exit_status=DAMAGED),
            ("read", "damaged-image"),
        ),
    ],
)
def test_a_bad_disk(
    bench: Bench, inside: Inside, name: str, reply: Reply, found: tuple[str, str]
) -> None:
    inside.of(name, reply)
    assert failure_of(lambda: diskproof.prove_disk(bench.guest, Backing.QCOW2)) == found


def test_a_disk_that_is_bad_only_when_it_comes_again(bench: Bench, inside: Inside) -> None:
    bad = Reply(stdout="verify: bad header offset", exit_status=1)
    inside.of("fio-disk", Reply(stdout=report()), bad)
    found = failure_of(lambda: diskproof.prove_disk(bench.guest, Backing.LV))
    assert found == ("verify", "corrupt-data")


def test_what_dom0_cannot_read_is_the_labs(bench: Bench, inside: Inside) -> None:
    inside.of("hash-backing", Reply(stderr="dd: failed to open", exit_status=1))
    with pytest.raises(CommandFailed):
        diskproof.prove_disk(bench.guest, Backing.RAW)


def test_an_answer_that_is_not_fios(bench: Bench, inside: Inside) -> None:
    inside.of("fio-disk", Reply(stdout="{}"))
    with pytest.raises(LabError, match="fio's answer cannot be read"):
        diskproof.prove_disk(bench.guest, Backing.RAW)


def test_an_image_without_fio(bench: Bench, inside: Inside) -> None:
    inside.of("fio", Reply(exit_status=127))
    with pytest.raises(NotApplicable, match=r"packages: \[fio\]"):
        diskproof.prove_disk(bench.guest, Backing.LV)
    assert not any("block-attach" in line for line in bench.fake.runner.lines)


def test_a_snapshot(bench: Bench, inside: Inside) -> None:
    inside.of("hash-disk", *digests(ONE, ONE, OTHER))
    inside.of("hash-backing", *digests(OTHER, ONE))
    diskproof.prove_snapshot(bench.guest)
    origin = next(line for line in bench.fake.runner.lines if "--snapshot" in line)
    assert "-thin-" in origin


@pytest.mark.parametrize(
    ("guests", "dom0s", "phase"),
    [
        ((ONE, OTHER, OTHER), (OTHER, ONE), "hash"),
        ((ONE, ONE, ONE), (ONE, ONE), "hash"),
        ((ONE, ONE, OTHER), (ONE, ONE), "read"),
        ((ONE, ONE, OTHER), (OTHER, OTHER), "read"),
    ],
    ids=["not its origin's", "not written to", "lost what was written", "origin changed"],
)
def test_a_bad_snapshot(
    bench: Bench, inside: Inside, guests: tuple[str, ...], dom0s: tuple[str, ...], phase: str
) -> None:
    inside.of("hash-disk", *digests(*guests))
    inside.of("hash-backing", *digests(*dom0s))
    found = failure_of(lambda: diskproof.prove_snapshot(bench.guest))
    assert found == (phase, "corrupt-data")


# -- in use --------------------------------------------------------------------------------


def test_growth(bench: Bench, inside: Inside) -> None:
    diskproof.prove_growth(bench.guest)
    assert any("lvextend --yes --size 128m vg0/" in line for line in bench.fake.runner.lines)


@pytest.mark.parametrize(
    ("name", "replies", "found"),
    [
        ("disk-size", [Reply(stdout="64\n")], ("grow", "growth-unseen")),
        ("grow-fs", [Reply(stdout="57\n")], ("resize", "growth-unused")),
        ("read-file", digests(OTHER), ("look", "corrupt-data")),
        ("read-file", digests(ONE, OTHER), ("look", "corrupt-data")),
        ("close-fs", [Reply(stdout="Inode 12 ...", exit_status=4)], ("close", "damaged-fs")),
    ],
)
def test_bad_growth(
    bench: Bench, inside: Inside, name: str, replies: list[Reply], found: tuple[str, str]
) -> None:
    inside.of(name, *replies)
    assert failure_of(lambda: diskproof.prove_growth(bench.guest)) == found


class Pool:
    """How much of a volume is allocated, as the guest writes and trims."""

    def __init__(self, bench: Bench, *, written: str = "58.50", trimmed: str = "8.00") -> None:
        bench.fake.data_percent = "4.00"
        changes = {"put-file": written, "trim-fs": trimmed}

        def change(call: Call) -> Reply:
            name = call.command.script_name or ""
            bench.fake.data_percent = changes[name]
            return Reply(stdout=f"{ONE}  -\n")

        runner = bench.guest.over_ssh
        runner.on_call(" (put-file|trim-fs)( |$)", change)
        runner._rules.insert(0, runner._rules.pop())


def test_discards(bench: Bench, inside: Inside) -> None:
    Pool(bench)
    diskproof.prove_discard(bench.guest)
    told = "allocated: 4 %, 58.5 % in use, 8 % trimmed"
    assert bench.guest.recall("discard") == told


@pytest.mark.parametrize(
    ("written", "trimmed", "failure_class"),
    [("58.50", "58.50", "discard-lost"), ("5.00", "5.00", "not-allocated")],
)
def test_discards_that_get_lost(
    bench: Bench, inside: Inside, written: str, trimmed: str, failure_class: str
) -> None:
    Pool(bench, written=written, trimmed=trimmed)
    assert failure_of(lambda: diskproof.prove_discard(bench.guest))[1] == failure_class


def test_a_pool_that_ignores_discards(bench: Bench, inside: Inside) -> None:
    bench.fake.runner.on("^lvs --noheadings -o discards vg0/pool$", "  ignore\n")
    bench.fake.runner._rules.insert(0, bench.fake.runner._rules.pop())
    with pytest.raises(NotApplicable, match="vg0/pool is set to take no notice"):
        diskproof.prove_discard(bench.guest)


# -- full ----------------------------------------------------------------------------------


def test_full_inside(bench: Bench, inside: Inside) -> None:
    diskproof.prove_full_inside(bench.guest)
    assert "drop-file /run/xenflight-disk/filler" in inside.asked


@pytest.mark.parametrize(
    ("name", "replies", "found"),
    [
        ("fill-fs", [Reply(stdout="64+0 records out")], ("fill", "no-error")),
        ("read-file", digests(OTHER), ("look", "corrupt-data")),
        ("read-file", digests(ONE, OTHER), ("look", "corrupt-data")),
    ],
)
def test_bad_when_full_inside(
    bench: Bench, inside: Inside, name: str, replies: list[Reply], found: tuple[str, str]
) -> None:
    inside.of(name, *replies)
    assert failure_of(lambda: diskproof.prove_full_inside(bench.guest)) == found


GOOD = Reply(stdout="8+0 records out\n")
REFUSED = Reply(stdout="dd: error writing '/dev/xvdo': Input/output error\nfailed\n")


@pytest.mark.parametrize(
    ("writes", "hashes", "found"),
    [
        ([REFUSED], [ONE], ("write", "io-error")),
        ([GOOD, GOOD], [ONE], ("write", "no-error")),
        ([GOOD, REFUSED], [ONE, OTHER], ("hash", "corrupt-data")),
        ([GOOD, REFUSED, REFUSED], [ONE], ("write", "full-stays")),
        ([GOOD, REFUSED, GOOD], [ONE, ONE, OTHER], ("hash", "corrupt-data")),
    ],
)
def test_bad_when_full_outside(
    bench: Bench,
    inside: Inside,
    monkeypatch: pytest.MonkeyPatch,
    writes: list[Reply],
    hashes: list[str],
    found: tuple[str, str],
) -> None:
    for name in ("prove_console", "prove_over_ssh"):
        monkeypatch.setattr(diskproof, name, lambda _: None)
    inside.of("write-raw", *writes)
    inside.of("hash-disk", *digests(*hashes))
    assert failure_of(lambda: diskproof.prove_full_outside(bench.guest)) == found


# -- what cannot be had, and what is made ----------------------------------------------------


def test_what_a_host_lacks_is_said_before(bench: Bench) -> None:
    spec, host = bench.spec, bench.fake.host

    def require(backing: Backing, capabilities: Capabilities = QEMU, size: Size = SIZE) -> None:
        require_backing(backing, size, spec, host, capabilities)

    require(Backing.RAW, Capabilities())
    require(Backing.THIN, Capabilities())
    for backing in (Backing.QCOW2, Backing.TIGHT):
        with pytest.raises(NotApplicable, match="has no QEMU"):
            require(backing, Capabilities())
    with pytest.raises(NotApplicable, match="1G are left, and 2G are needed"):
        require(Backing.LV, size=Size.parse("2G"))


def test_emulated_devices_do_not_come_later(bench: Bench) -> None:
    spec = replace(bench.spec, devices=Devices.EMULATED)
    with pytest.raises(NotApplicable, match="does not know of Xen"):
        require_backing(Backing.THIN, SIZE, spec, bench.fake.host, QEMU)


def test_a_root_that_is_no_single_volume(bench: Bench) -> None:
    assert bench.spec.disk_format is DiskFormat.RAW
    bench.fake.volumes[bench.guest.disks.root] = set()
    bench.guest.require_root_snapshot()
    bench.guest.disks = replace(bench.guest.disks, overlay="xf-1-qcow2")
    with pytest.raises(NotApplicable, match="qcow2 image over a volume"):
        bench.guest.require_root_snapshot()


def planned(bench: Bench, backing: Backing) -> LaterDisk:
    return plan_disk(
        backing,
        SIZE,
        part=f"{backing}-1",
        run="smoke-1",
        spec=bench.spec,
        domain="xf.smoke-1.0123456789",
        host=bench.fake.host,
    )


def test_all_that_is_made_tells_whose_it_is(bench: Bench) -> None:
    host: FakeHost = bench.fake
    host.runner.on("^qemu-img create|make-image")
    for backing in Backing:
        disk = planned(bench, backing)
        make_disk(host.host, disk, "smoke-1", "job", on=SIZE, of="xf-1-thin-1")
        if backing.in_file:
            assert disk.path.startswith(build_directory("smoke-1", "xf.smoke-1.0123456789."))
        else:
            assert host.volumes[disk.volume] == set(scratch_tags("smoke-1", "job"))
            assert tag_value(host.volumes[disk.volume], "run") == "smoke-1"
    assert str(planned(bench, Backing.QCOW2).disk).startswith("format=qcow2,vdev=xvdo,access=rw")
    assert planned(bench, Backing.RAW).backing.kind == "vbd"
    assert planned(bench, Backing.TIGHT).backing.kind == "qdisk"
    assert planned(bench, Backing.SNAPSHOT).backing.kind == "vbd"


def test_what_has_no_room_to_be_read_in(bench: Bench) -> None:
    with pytest.raises(LabError, match="no room to be read in"):
        hash_backing(bench.fake.host, planned(bench, Backing.TIGHT), BULK_TIMEOUT)


def test_a_file_is_no_volume_that_grows(bench: Bench) -> None:
    with pytest.raises(LabError, match="no volume that could be made larger"):
        bench.guest.grow_disk(planned(bench, Backing.RAW), SIZE)


def test_who_has_a_qemu(bench: Bench) -> None:
    """libxl starts none for a PV or PVH domain that runs."""
    guest, served = bench.guest, planned(bench, Backing.QCOW2)
    assert not guest.lacks_qemu(served)
    assert [disk.vdev for disk in guest.domain_config().disks] == ["xvda1", "xvdn"]
    guest._always = ()
    assert guest.lacks_qemu(served)
    assert not guest.lacks_qemu(planned(bench, Backing.THIN))
    guest.spec = replace(guest.spec, virt=Virt.HVM)
    assert not guest.lacks_qemu(served)


def test_files_go_with_the_guest(bench: Bench, inside: Inside) -> None:
    disk = bench.guest.make_disk(Backing.RAW)
    bench.guest._home.domain = None
    bench.guest.remove()
    assert bench.fake.runner.lines[-1].endswith(f"forget-image {disk.path} {disk.path}.raw")
