"""Proofs about a guest's disks: what it writes is there, whatever is behind the disk.

Each is told by the guest and by dom0, and none can be so by accident: patterns that fio verifies,
and SHA-256 of random data, read past all caches (`harness.job.diskwork`).
"""

from __future__ import annotations

import re

from harness.job import lifeproof
from harness.job.backings import SIZE, Backing
from harness.job.diskwork import (
    CORRUPT,
    FIO,
    attached,
    check_backing,
    check_file,
    drop_file,
    fill_up,
    hash_disk,
    mounted,
    put_file,
    resize,
    run_fio,
    same,
    trim,
    write_all,
    write_raw,
    writing,
)
from harness.job.guest import GuestUnderTest
from harness.job.proof import prove_console, prove_over_ssh
from harness.job.ready import ready, require_program
from harness.units import Size

DATA = "/var/tmp/xenflight-storage"
"""A file on its root."""
FILE = Size.parse("24M")
HEAD, NO_SIZE = Size.parse("8M"), Size(0)
HALF = Size(SIZE // 2)
MOST = 40
"""Percent of a disk, of which half is written and then trimmed."""
ROOM = Size.parse("32M")
"""Of a volume that is too small for what is in it."""
NO_ERROR = "no-error"
"""The failure class when what cannot have worked was said to."""
_NO_ROOM = re.compile("No space left on device")
_IO_ERROR = re.compile("Input/output error|No space left on device")


def prove_disk(guest: GuestUnderTest, backing: Backing) -> None:
    """A disk of that kind takes and gives what is written, also after it was taken away.

    Phases ``write``, ``hash`` (the guest reads all of it), ``read`` (dom0 does), ``verify``.
    """
    ready(guest)
    require_program(guest, FIO, "--version")
    disk = guest.make_disk(backing)
    written = write_all(guest, disk)
    check_backing(guest, disk, written)
    with attached(guest, disk) as device:
        run_fio(guest, device, "verify")
    guest.drop_disk(disk)


def prove_snapshot(guest: GuestUnderTest) -> None:
    """A snapshot has what its origin had, and leaves the origin alone when it is written to."""
    ready(guest)
    require_program(guest, FIO, "--version")
    origin = guest.make_disk(Backing.THIN)
    before = write_all(guest, origin)
    disk = guest.make_disk(Backing.SNAPSHOT, of=origin.volume)
    with attached(guest, disk) as device:
        found = hash_disk(guest, device)
        same(guest, "its origin's data", before, found, "hash")
        run_fio(guest, device, "verify")
        # Other bytes than the pattern, over half of it.
        if said := write_raw(guest, device, NO_SIZE, HALF):
            msg = f"it cannot write to the snapshot: {said!r}"
            raise guest.failure(msg, "write", "io-error")
        written = hash_disk(guest, device)
    if written == before:
        msg = "half of the snapshot was written to, and it is as it was before"
        raise guest.failure(msg, "hash", CORRUPT)
    check_backing(guest, disk, written)
    check_backing(guest, origin, before)
    guest.drop_disk(disk)
    guest.drop_disk(origin)


def prove_growth(guest: GuestUnderTest) -> None:
    """A volume made larger while its file system is mounted: the guest sees it and can use it."""
    ready(guest)
    disk = guest.make_disk(Backing.THIN)
    with attached(guest, disk) as device, mounted(guest, device):
        first = put_file(guest, "first", FILE)
        disk = guest.grow_disk(disk, Size(2 * SIZE))
        room = resize(guest, device)
        if room <= SIZE.mib:
            msg = f"its disk is of {disk.size}, and its file system has {room} MiB after resize2fs"
            raise guest.failure(msg, "resize", "growth-unused")
        # More than the old one had room for.
        second = put_file(guest, "second", SIZE)
        check_file(guest, "first", first)
        check_file(guest, "second", second)
    guest.drop_disk(disk)


def prove_discard(guest: GuestUnderTest) -> None:
    """What the guest deletes and trims, the thin pool gets back."""
    ready(guest)
    guest.require_discards()
    disk = guest.make_disk(Backing.THIN)
    with attached(guest, disk) as device, mounted(guest, device):
        empty = guest.allocated(disk)
        put_file(guest, "first", HALF)
        full = guest.await_allocated(
            disk,
            lambda now: now > empty + MOST,
            f"more than {MOST} % of it to be allocated beyond {empty:g} %",
            "not-allocated",
        )
        drop_file(guest, "first")
        trim(guest)
        after = guest.await_allocated(
            disk,
            lambda now: now < full - MOST,
            f"more than {MOST} % of it to come back to the pool, of {full:g} %",
            "discard-lost",
        )
    guest.remember("discard", f"allocated: {empty:g} %, {full:g} % in use, {after:g} % trimmed")
    guest.drop_disk(disk)


def prove_full_inside(guest: GuestUnderTest) -> None:
    """A file system without room says so, keeps what it has, and can be used again."""
    ready(guest)
    disk = guest.make_disk(Backing.THIN)
    with attached(guest, disk) as device, mounted(guest, device):
        first = put_file(guest, "first", FILE)
        said = fill_up(guest, "filler")
        if not _NO_ROOM.search(said):
            msg = f"it wrote until nothing more could be written, and heard {said!r}"
            raise guest.failure(msg, "fill", NO_ERROR)
        drop_file(guest, "filler")
        second = put_file(guest, "second", FILE)
        check_file(guest, "first", first)
        check_file(guest, "second", second)
    guest.drop_disk(disk)


def prove_full_outside(guest: GuestUnderTest) -> None:
    """A disk whose image has no room in dom0 says so; with room made, it can be written to.

    Never the thin pool itself: others' guests are in that.
    """
    ready(guest)
    disk = guest.make_disk(Backing.TIGHT, Size(2 * SIZE), on=ROOM)
    with attached(guest, disk) as device:
        if said := write_raw(guest, device, NO_SIZE, HEAD):
            msg = f"it cannot write to its disk: {said!r}"
            raise guest.failure(msg, "write", "io-error")
        before = hash_disk(guest, device, HEAD)
        said = write_raw(guest, device, HEAD, SIZE)
        if not _IO_ERROR.search(said):
            msg = f"it wrote {SIZE} where there is room for {ROOM}, and heard {said!r}"
            raise guest.failure(msg, "write", NO_ERROR)
        guest.step.facts["refused"] = said.splitlines()[0]
        same(guest, "what it had before", before, hash_disk(guest, device, HEAD), "hash")
        prove_console(guest)
        prove_over_ssh(guest)
        guest.grow_disk(disk, Size(3 * SIZE))
        if said := write_raw(guest, device, HEAD, SIZE):
            msg = f"there is room again, and it cannot write: {said!r}"
            raise guest.failure(msg, "write", "full-stays")
        same(guest, "what it had before", before, hash_disk(guest, device, HEAD), "hash")
    guest.drop_disk(disk)


def prove_root_snapshot(guest: GuestUnderTest) -> None:
    """A snapshot of its root, taken while it writes, boots with the data of that moment.

    Afterwards it boots from its own root again, with what was written since.
    """
    ready(guest)
    guest.require_root_snapshot()
    former = guest.recall("boot_id")
    then = put_file(guest, DATA, FILE)
    with writing(guest):
        snapshot = guest.snapshot_root()
    since = put_file(guest, DATA, FILE)
    with guest.step.phase("boot-snapshot"):
        guest.stop()
        guest.start_from(snapshot)
        lifeproof.prove_anew(guest, former, disk=False)
    check_file(guest, DATA, then)
    former = guest.recall("boot_id")
    with guest.step.phase("boot-own"):
        guest.stop()
        guest.start()
        lifeproof.prove_anew(guest, former, disk=False)
    check_file(guest, DATA, since)
