"""What a guest is made to do with a disk: filled, verified, formatted, hashed, past all caches."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import CommandFailed, LabError
from harness.job.backings import DAMAGED, SIZE, LaterDisk
from harness.job.guest import GuestUnderTest
from harness.job.guestdisks import BULK_TIMEOUT
from harness.job.proof import prove_console
from harness.remote.command import Command, CommandResult
from harness.units import Size

MOUNTS = "/run/xenflight-disk"
"""Where the guest mounts such a disk."""
FIO = "fio"
CORRUPT = "corrupt-data"
"""The failure class when what is read is not what was written."""
MISSING = "missing"

# Every block of it is written once, at random, with a pattern and its checksum; read back, and
# compared. "verify" only reads, and knows by the seed what must be there (fio(1), verify_only). A
# fixed size of block, or it would not find their beginnings. $1 device, $2 write or verify.
_FIO = """
case $2 in write) how=--do_verify=1 ;; *) how=--verify_only=1 ;; esac
cd /run
fio --output-format=json --name=xenflight --filename="/dev/$1" --rw=randwrite --bs=16k \\
    --direct=1 --ioengine=libaio --iodepth=8 --randrepeat=1 --verify=crc32c --verify_fatal=1 "$how"
"""
# $1 device, $2 MiB, or nothing for all of it.
_HASH = 'dd if="/dev/$1" bs=1M ${2:+"count=$2"} iflag=direct status=none | sha256sum'
_FORMAT = f"""
mkfs.ext4 -q "/dev/$1"
mkdir -p {MOUNTS}
mount "/dev/$1" {MOUNTS}
"""
# Also whether its file system is as it should be. $1 device.
_CLOSE = f"""
umount {MOUNTS}
e2fsck -fn "/dev/$1"
"""
# $1 file, $2 MiB.
_PUT = """
dd if=/dev/urandom of="$1" bs=1M count="$2" conv=fsync status=none
sha256sum <"$1"
"""
# $1 file.
_READ = f"""
sync
echo 3 >/proc/sys/vm/drop_caches
if [ -e "$1" ]; then sha256sum <"$1"; else echo {MISSING}; fi
"""
_DROP = 'rm "$1"; sync'
# What the kernel says when there is no room any more. $1 file.
_FILL = 'LC_ALL=C dd if=/dev/zero of="$1" bs=1M conv=fsync 2>&1 || :'
_TRIM = f"fstrim {MOUNTS}"
_GROW = f"""
resize2fs "/dev/$1" >&2
df -Pm {MOUNTS} | {{ read -r _; read -r _ size _; echo "$size"; }}
"""
# Past all caches, so that the guest hears of every block whether it was taken. $1 device, $2 MiB
# from which on, $3 MiB.
_WRITE = """
LC_ALL=C dd if=/dev/urandom of="/dev/$1" bs=1M seek="$2" count="$3" oflag=direct 2>&1 || echo failed
"""
# It writes as long as it lives; its number.
_BUSY = """
nohup setsid sh -c 'while :; do
    dd if=/dev/urandom of=/var/tmp/xenflight-busy bs=64k count=16 conv=fsync status=none
done' >/dev/null 2>&1 </dev/null &
echo $!
"""
# $1 process. It leads a group of its own.
_IDLE = 'kill -- "-$1"; rm -f /var/tmp/xenflight-busy'
_REFUSED = "failed"
_VERIFY = re.compile(r"verify: |verify failed|Invalid or incomplete multibyte")
"""fio's words when it reads something else than it wrote: EILSEQ is its errno for that."""


@contextmanager
def attached(guest: GuestUnderTest, disk: LaterDisk) -> Iterator[str]:
    """It has that disk. What goes wrong leaves it as it is, for a look at it."""
    if guest.lacks_qemu(disk):
        guest.have_qemu()
        prove_console(guest)
    yield guest.attach_disk(disk)
    guest.detach_disk(disk)


@contextmanager
def mounted(guest: GuestUnderTest, device: str) -> Iterator[None]:
    """There is a new file system on it, mounted; in the end it must be whole."""
    with guest.step.phase("format"):
        _in_guest(guest, Command.script("make-fs", _FORMAT, device))
    yield
    with guest.step.phase("close"):
        result = _run(guest, Command.script("close-fs", _CLOSE, device))
        if not result.ok:
            msg = f"e2fsck finds its file system damaged: {result.stdout.strip()[-500:]!r}"
            raise guest.failure(msg, "close", "damaged-fs")


def write_all(guest: GuestUnderTest, disk: LaterDisk) -> str:
    """Have it write all of the disk, with patterns; the SHA-256 that it reads there."""
    with attached(guest, disk) as device:
        run_fio(guest, device, "write")
        return hash_disk(guest, device)


def check_backing(guest: GuestUnderTest, disk: LaterDisk, expected: str) -> None:
    """What dom0 reads behind the disk is what the guest read on it."""
    with guest.step.phase("read"):
        try:
            found = guest.hash_disk(disk)
        except CommandFailed as error:
            if error.exit_status != DAMAGED:
                raise
            msg = f"its image is damaged: {error.stderr.strip()!r}"
            raise guest.failure(msg, "read", "damaged-image") from error
    same(guest, f"what is in {disk.path}", expected, found, "read")


def run_fio(guest: GuestUnderTest, device: str, what: str) -> None:
    """Have fio write and verify all of it, or only verify; its speed is told, and not judged."""
    with guest.step.phase(what):
        result = _run(guest, Command.script("fio-disk", _FIO, device, what))
        said = f"{result.stderr}\n{result.stdout}"
        if not result.ok:
            failure_class = CORRUPT if _VERIFY.search(said) else "io-error"
            msg = f"fio ended with {result.exit_status}: {result.stderr.strip()[:500]!r}"
            raise guest.failure(msg, what, failure_class)
        done = _fio_facts(result.stdout)
        if done["read"] < SIZE:
            msg = f"fio verified {done['read']} bytes of {int(SIZE)}"
            raise guest.failure(msg, what, "not-verified")
    for way in ("write", "read"):
        # fio counts what it would have written as done.
        if done[f"{way}_kib"]:
            guest.step.facts[f"fio_{what}_{way}"] = f"{done[f'{way}_kib']} KiB/s"


def _fio_facts(said: str) -> dict[str, int]:
    """Bytes read and written, and KiB/s of each; `LabError` when it is no answer of fio's."""
    try:
        # It may say other things before.
        (job,) = json.loads(said[said.index("{") :])["jobs"]
        return {
            "read": int(job["read"]["io_bytes"]),
            "write": int(job["write"]["io_bytes"]),
            "read_kib": int(job["read"]["bw"]),
            "write_kib": int(job["write"]["bw"]),
        }
    except (ValueError, KeyError, TypeError) as error:
        msg = f"fio's answer cannot be read: {said[:200]!r}"
        raise LabError(msg) from error


def put_file(guest: GuestUnderTest, path: str, size: Size) -> str:
    """Have it write random data to a file, in the mounted disk unless that has a path; SHA-256."""
    with guest.step.phase("put"):
        return _sha256(_in_guest(guest, Command.script("put-file", _PUT, _path(path), size.mib)))


def check_file(guest: GuestUnderTest, path: str, expected: str) -> None:
    """What is in that file, read off the disk, is what was written there."""
    with guest.step.phase("look"):
        found = _in_guest(guest, Command.script("read-file", _READ, _path(path))).split()[0]
    same(guest, _path(path), expected, found, "look")


def _path(name: str) -> str:
    return name if name.startswith("/") else f"{MOUNTS}/{name}"


def same(guest: GuestUnderTest, what: str, expected: str, found: str, phase: str) -> None:
    """`GuestFailure` when what is read is not what was written."""
    if found != expected:
        msg = f"{what}: SHA-256 {expected} was written, and {found} is read"
        raise guest.failure(msg, phase, CORRUPT)


def hash_disk(guest: GuestUnderTest, device: str, size: Size | None = None) -> str:
    """The SHA-256 of all of it, or of its begin, as the guest reads it."""
    count = f"{size.mib}" if size else ""
    with guest.step.phase("hash"):
        return _sha256(_in_guest(guest, Command.script("hash-disk", _HASH, device, count)))


def write_raw(guest: GuestUnderTest, device: str, begin: Size, size: Size) -> str:
    """Have it write random data there; what it heard when that was refused, empty if it was not."""
    with guest.step.phase("write"):
        command = Command.script("write-raw", _WRITE, device, begin.mib, size.mib)
        said = _in_guest(guest, command).strip()
    return said if said.endswith(_REFUSED) else ""


def fill_up(guest: GuestUnderTest, name: str) -> str:
    """Have it write to that file until there is no more room; what it heard then."""
    with guest.step.phase("fill"):
        return _in_guest(guest, Command.script("fill-fs", _FILL, f"{MOUNTS}/{name}")).strip()


def drop_file(guest: GuestUnderTest, name: str) -> None:
    """Have it remove that file."""
    _in_guest(guest, Command.script("drop-file", _DROP, f"{MOUNTS}/{name}"))


def trim(guest: GuestUnderTest) -> None:
    """Have it tell the disk what of it is not in use (``fstrim``)."""
    with guest.step.phase("trim"):
        _in_guest(guest, Command.script("trim-fs", _TRIM))


def resize(guest: GuestUnderTest, device: str) -> int:
    """Have the mounted file system take all of its disk; its size afterwards, in MiB."""
    with guest.step.phase("resize"):
        return int(_in_guest(guest, Command.script("grow-fs", _GROW, device)))


@contextmanager
def writing(guest: GuestUnderTest) -> Iterator[None]:
    """It writes to its root, over and over, as long as that."""
    process = _in_guest(guest, Command.script("begin-writing", _BUSY)).strip()
    yield
    _in_guest(guest, Command.script("end-writing", _IDLE, process))


def _sha256(said: str) -> str:
    return said.split()[0]


def _in_guest(guest: GuestUnderTest, command: Command) -> str:
    return guest.ssh.run(command, timeout=guest.stretched(BULK_TIMEOUT)).stdout


def _run(guest: GuestUnderTest, command: Command) -> CommandResult:
    return guest.ssh.run(command, timeout=guest.stretched(BULK_TIMEOUT), check=False)
