"""What must outlive a guest's moves: its data, a process, a TCP session, its clock.

Each is looked at before and after, and none can be as it should be by accident.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from harness.errors import DeadlineExceeded, GuestFailure
from harness.job.guest import GuestUnderTest
from harness.job.proof import BOOT_ID, prove_console
from harness.remote.command import Command
from harness.wait import Deadline, NotYet, wait_for

DATA_MIB = 64
DATA = "/var/tmp/xenflight-data"
AWAY_MIB = 8
AWAY = "/var/tmp/xenflight-away"
COUNT = "/run/xenflight-count"
MOST_DRIFT = 2.0
"""Seconds that the guest's clock may lose or gain against dom0's over a move."""
ANSWER = timedelta(seconds=90)
"""For the first answer after a move. dom0's TCP asks a guest again that was away after as long as
that was away, about (RFC 6298: the time doubles)."""
TICK = timedelta(seconds=30)

# $1 file, $2 MiB.
_FILL = """
dd if=/dev/urandom of="$1" bs=1M count="$2" conv=fsync status=none
sha256sum <"$1"
"""
# Off the disk, not out of the page cache, which a move takes along. $1 file.
_READ = """
sync
echo 3 >/proc/sys/vm/drop_caches
sha256sum <"$1"
"""
# $1 file. The 22nd field of stat is when a process began: proc(5).
_WITNESS = """
nohup setsid sh -c 'n=0; while :; do n=$((n + 1)); echo $n >"$0"; sleep 0.5; done' "$1" \\
    >/dev/null 2>&1 </dev/null &
pid=$!
echo "$pid $(cut -d' ' -f22 /proc/$pid/stat)"
"""
# $1 file, $2 process.
_LOOK = f"""
echo "count $(cat "$1" || :)"
echo "process $2 $(cut -d' ' -f22 /proc/$2/stat || :)"
echo "boot $(cat {BOOT_ID})"
echo "session $SSH_CONNECTION"
"""


_WRITE_BLOCK = 'dd of="/dev/$1" bs=512 count=1 iflag=fullblock conv=fsync,sync status=none'
# Not what dom0 may have in its own cache: the guest wrote behind that. $1 device, $2 bytes.
_READ_BLOCK = 'dd if="$1" bs=4096 count=1 iflag=direct status=none | head -c "$2"'


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was found in the guest at one moment."""

    count: int
    """How far the process had counted; -1 when nothing counts."""
    process: str
    """Its number, and when it began."""
    boot: str
    session: str
    """Both ends of the TCP session that SSH is: it can't be another with the same ports."""
    ahead: tuple[float, float]
    """Seconds by which its clock is ahead of dom0's: at least, and at most."""


def begin(guest: GuestUnderTest) -> None:
    """Have all of it there, as far as it is not; also after a reboot."""
    if not guest.knows("boot_id"):
        prove_console(guest)
    if not guest.connected:
        guest.connect()
    if not guest.knows("data_sha256"):
        _fill(guest)
    boot = guest.recall("boot_id")
    if not guest.knows("witness") or guest.recall("witness").split()[-1] != boot:
        said = guest.ssh.run(Command.script("begin-witness", _WITNESS, COUNT)).stdout.strip()
        guest.remember("witness", f"{said} {boot}")


@contextmanager
def survives(guest: GuestUnderTest, *, disk: bool = True) -> Iterator[None]:
    """Whatever is done to the guest inside, all of it is there afterwards.

    Phases ``before``, ``after``, and ``disk`` for reading all its data, unless *disk* is false.
    """
    with guest.step.phase("before"):
        begin(guest)
        before = look(guest)
    yield
    with guest.step.phase("after"):
        check(guest, before)
    if disk:
        check_data(guest)


def look(guest: GuestUnderTest) -> Seen:
    """What is found now."""
    process = guest.recall("witness").split()[0]
    command = Command.script("look-at-witness", _LOOK, COUNT, process)
    said = guest.ssh.run(command, timeout=guest.stretched(ANSWER)).stdout
    found = dict(line.partition(" ")[::2] for line in said.splitlines())
    count = found.get("count", "")
    return Seen(
        count=int(count) if count.isdecimal() else -1,
        process=found.get("process", ""),
        boot=found.get("boot", ""),
        session=found.get("session", ""),
        ahead=_ahead(guest),
    )


def check(guest: GuestUnderTest, before: Seen, *, session: str | None = "") -> None:
    """Whether all is there still that was *before*, and goes on, on both channels.

    The TCP session is to be *session*, if that is given; None: any, on another network.
    """
    now = look(guest)
    then_session = now.session if session is None else session or before.session
    for what, then, found, failure_class in (
        ("it is another boot", before.boot, now.boot, "boot-id-mismatch"),
        ("its TCP session is another", then_session, now.session, "tcp-lost"),
        ("the process is not the same", before.process, now.process, "process-lost"),
    ):
        if then != found:
            raise _failure(guest, f"{what}: {then!r} before, {found!r} after", failure_class)
    _check_counting(guest, max(before.count, now.count))
    _check_clock(guest, before.ahead, now.ahead)
    with guest.waiting():
        guest.shell.nonce_echo(guest.stretched(ANSWER))


def check_data(guest: GuestUnderTest) -> None:
    """Its data are those that it wrote, read off its disk: phase ``disk``."""
    with guest.step.phase("disk"):
        found = _digest(guest, Command.script("read-data", _READ, DATA))
    if found != guest.recall("data_sha256"):
        msg = f"it wrote {guest.recall('data_sha256')} to its disk, and read {found}"
        raise _failure(guest, msg, "corrupt-data", "disk")


def write_away(guest: GuestUnderTest) -> None:
    """Have it write other data, on a host that only borrows its disk: phase ``write``."""
    with guest.step.phase("write"):
        found = _digest(guest, Command.script("fill-disk", _FILL, AWAY, AWAY_MIB))
    guest.remember("away_sha256", found)


def check_away(guest: GuestUnderTest) -> None:
    """They are those, read off its disk where that is at home; phase ``disk``."""
    with guest.step.phase("disk"):
        found = _digest(guest, Command.script("read-data", _READ, AWAY))
    if found != guest.recall("away_sha256"):
        msg = f"while away it wrote {guest.recall('away_sha256')} to its disk, and read {found}"
        raise _failure(guest, msg, "corrupt-data", "disk")


def write_block(guest: GuestUnderTest, device: str) -> str:
    """Have it write something random to the begin of a disk; what."""
    nonce = secrets.token_hex(32)
    command = Command.script("write-block", _WRITE_BLOCK, device)
    with guest.step.phase("write"):
        guest.ssh.run(command, stdin=nonce.encode(), timeout=guest.stretched(ANSWER))
    return nonce


def check_block(guest: GuestUnderTest, written: str) -> None:
    """What is on the volume behind that disk, as dom0 reads it, is what the guest wrote."""
    path = guest.host.volumes.path(guest.volumes[0])
    with guest.step.phase("read"):
        command = Command.script("read-block", _READ_BLOCK, path, len(written))
        found = guest.host.runner.run(command).stdout.strip()
        if found != written:
            msg = f"it wrote {written} to its disk, and dom0 read {found!r} there"
            raise _failure(guest, msg, "corrupt-data", "read")


def _fill(guest: GuestUnderTest) -> None:
    with guest.step.phase("fill"):
        found = _digest(guest, Command.script("fill-disk", _FILL, DATA, DATA_MIB))
    guest.remember("data_sha256", found)


def _digest(guest: GuestUnderTest, command: Command) -> str:
    return guest.ssh.run(command, timeout=guest.stretched(ANSWER)).stdout.split()[0]


def _check_counting(guest: GuestUnderTest, count: int) -> None:
    def further() -> None:
        now = look(guest).count
        if now <= count:
            raise NotYet(now)

    try:
        with guest.waiting():
            deadline = Deadline.after(guest.stretched(TICK))
            wait_for(further, what=f"the process to count beyond {count}", deadline=deadline)
    except DeadlineExceeded as error:
        raise _failure(guest, str(error), "process-stuck") from error


def _check_clock(
    guest: GuestUnderTest, before: tuple[float, float], now: tuple[float, float]
) -> None:
    """Not when it went wrong only against its own past: a guest may be set right by a move."""
    drift = max(now[0] - before[1], before[0] - now[1], 0.0)
    off = max(now[0], -now[1], 0.0)
    guest.step.facts["clock_drift"] = f"{drift:.2f}"
    if drift > MOST_DRIFT and off > MOST_DRIFT:
        msg = (
            f"its clock is {drift:.2f} s off from where it was against dom0's, and {off:.2f} s "
            f"from that; {MOST_DRIFT:g} s is the most"
        )
        raise _failure(guest, msg, "clock-drift")


def _ahead(guest: GuestUnderTest) -> tuple[float, float]:
    """Between two looks at dom0's clock the guest's was looked at: so far it can be off."""
    command = Command.of("date", "+%s.%N")
    first = float(guest.host.runner.run(command).stdout)
    inside = float(guest.ssh.run(command, timeout=guest.stretched(ANSWER)).stdout)
    last = float(guest.host.runner.run(command).stdout)
    return inside - last, inside - first


def _failure(
    guest: GuestUnderTest, said: str, failure_class: str, phase: str = "after"
) -> GuestFailure:
    return guest.failure(said, phase, failure_class)
