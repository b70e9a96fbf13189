"""The steps of the suite ``modes``: each asks the guest, and judges a part of what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from harness.errors import GuestFailure
from harness.flight.mode import Mode, mode_of
from harness.job.guest import GuestUnderTest
from harness.modes.expect import clock_differs, disk_differs, kernel_differs, net_differs
from harness.modes.seen import Seen, look_command, parse_seen
from harness.remote.command import Command
from harness.units import human_seconds

LOOK_TIMEOUT = timedelta(seconds=30)
COPY_TIMEOUT = timedelta(seconds=60)
COPIED = 32
"""MiB. Enough to be seen over the start of a program, little enough for an emulated IDE disk."""
# Written through to the disk, and read from it: what is timed is the disk, not memory. Each line
# is a hash, or nanoseconds.
_COPY = f"""
file=/var/tmp/modes
dd if=/dev/urandom of=/dev/shm/modes bs=1M count={COPIED} status=none
sha256sum </dev/shm/modes
date +%s%N
dd if=/dev/shm/modes of=$file bs=1M conv=fsync status=none
date +%s%N
echo 3 >/proc/sys/vm/drop_caches
date +%s%N
dd if=$file bs=1M status=none | sha256sum
date +%s%N
rm $file /dev/shm/modes
"""
_COPIED = re.compile(
    r"(?P<wrote>[0-9a-f]{64}) +-\n(?P<a>\d+)\n(?P<b>\d+)\n(?P<c>\d+)\n(?P<read>[0-9a-f]{64}) +-\n"
    r"(?P<d>\d+)\n"
)
RUNVARS = (
    *("guest_type", "kernel_says", "console", "clock", "clocks", "disk_drivers", "net_drivers"),
    *("interface", "xen_devices", "pci_devices", "interrupts"),
)


def prove_kernel(guest: GuestUnderTest) -> None:
    """The kernel knows which mode it runs in; what it sees becomes runvars."""
    seen = _look(guest)
    guest.remember("mode", mode_of(guest.spec))
    for name in RUNVARS:
        guest.remember(name, getattr(seen, name) or "none")
    _judge(guest, seen, kernel_differs)


def prove_disk(guest: GuestUnderTest) -> None:
    """The root disk has the driver of this mode, and gives back what was written to it."""
    _judge(guest, _look(guest), disk_differs)
    with guest.step.phase("copy"):
        timeout = guest.stretched(COPY_TIMEOUT)
        said = guest.ssh.run(Command.script("copy-data", _COPY), timeout=timeout).stdout
    found = _COPIED.fullmatch(said)
    if not found or found["wrote"] != found["read"]:
        msg = f"{COPIED} MiB written to its disk and read again: {said.split()}"
        raise _failure(guest, msg, "corrupt-data")
    for what, begin, end in (("write", "a", "b"), ("read", "c", "d")):
        seconds = (int(found[end]) - int(found[begin])) / 1e9
        guest.remember(f"disk_{what}", f"{COPIED} MiB in {human_seconds(seconds)}")


def prove_net(guest: GuestUnderTest) -> None:
    """Its interface, over which we ask, has the driver of this mode."""
    _judge(guest, _look(guest), net_differs)


def prove_clock(guest: GuestUnderTest) -> None:
    """It has Xen's clock where it knows of Xen, and only there."""
    _judge(guest, _look(guest), clock_differs)


def _look(guest: GuestUnderTest) -> Seen:
    with guest.step.phase("look"):
        timeout = guest.stretched(LOOK_TIMEOUT)
        return parse_seen(guest.ssh.run(look_command(guest.mac), timeout=timeout).stdout)


def _judge(guest: GuestUnderTest, seen: Seen, differs: Callable[[Mode, Seen], list[str]]) -> None:
    mode = mode_of(guest.spec)
    if wrong := differs(mode, seen):
        raise _failure(guest, f"this is no {mode} guest: {'; '.join(wrong)}", "wrong-mode")


def _failure(guest: GuestUnderTest, message: str, failure_class: str) -> GuestFailure:
    return GuestFailure(
        message, phase="mode", failure_class=failure_class, evidence=guest.recorder.tail()
    )
