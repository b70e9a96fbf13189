"""What a booting guest prints: recorded lines of a real one, and the ways in which they end.

``data/boot.log`` and ``data/poweroff.log`` are the console of a Debian bookworm PV guest on Xen
4.17, shortened; the lines of failures are from recordings, or from the programs that print them
(harness/console/kernel_signs.py and boot_signs.py name the sources).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from harness.flight.faults import FaultKind

_STAMP = re.compile(r"\[ *(?P<seconds>\d+\.\d{6})\]")
_SPEED = 8.0
"""The recorded guest was emulated; this is how much faster hardware is."""
_LINE = 0.02
"""Seconds between two lines that have no time."""
_NOISE = bytes(range(128, 256)) * 96
_PANIC_TRACE = (
    "CPU: 0 PID: 1 Comm: {comm} Not tainted 6.1.0-56-cloud-amd64 #1  Debian 6.1.192-2",
    "Call Trace:",
    " <TASK>",
    " dump_stack_lvl+0x44/0x5c",
    " panic+0x118/0x2f4",
    " do_exit.cold+0x15/0x15",
    " </TASK>",
    "Kernel Offset: disabled",
)


class Then(StrEnum):
    """What becomes of the domain after the last line."""

    UP = "up"
    STAYS = "stays"
    CRASHES = "crashes"
    POWERS_OFF = "powers off"
    VANISHES = "vanishes"
    REBOOTS = "reboots"
    """The kernel starts again, in the same domain."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """What comes on the console. *seconds*: after the line before."""

    seconds: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Boot:
    """One boot: what is printed, raw noise after it, and what becomes of the domain."""

    lines: tuple[Line, ...]
    then: Then
    noise: bytes = b""


@dataclass(frozen=True, kw_only=True)
class _Ending:
    """A boot that ends before the line in which *before* first stands, with *lines* of its own."""

    before: str
    lines: tuple[str, ...] = ()
    then: Then = Then.STAYS
    seconds: float = 1.0
    """From the last good line to the first of these."""
    noise: bytes = b""


_FIRST, _KERNEL, _INITRAMFS, _INIT, _LATE = (
    "Linux version",
    "landlock: Up and running",
    "Begin: Running /scripts/init-bottom",
    "Reached target",
    "network.target",
)


def _panic(comm: str, said: str, stamp: str) -> tuple[str, ...]:
    lines = (f"Kernel panic - not syncing: {said}", *_PANIC_TRACE)
    return tuple(f"[{stamp}] {line.format(comm=comm)}" for line in lines)


_ENDINGS: Mapping[FaultKind, _Ending] = {
    FaultKind.SILENT: _Ending(before=_FIRST),
    FaultKind.GARBAGE: _Ending(before=_KERNEL, noise=_NOISE),
    FaultKind.OUT_OF_MEMORY: _Ending(
        before=_KERNEL,
        lines=(
            "[    2.010114] swapper/0 invoked oom-killer: gfp_mask=0x140cca, order=0",
            "[    2.114410] Out of memory and no killable processes...",
            *_panic("swapper/0", "System is deadlocked on memory", "    2.114532"),
        ),
        then=Then.CRASHES,
    ),
    FaultKind.KERNEL_OOPS: _Ending(
        before=_INITRAMFS,
        lines=(
            "[    5.100002] BUG: kernel NULL pointer dereference, address: 0000000000000008",
            "[    5.100114] Oops: 0000 [#1] PREEMPT SMP NOPTI",
            "[    5.100201] RIP: e030:xlblk_init+0x14/0x200 [xen_blkfront]",
        ),
    ),
    FaultKind.KERNEL_PANIC: _Ending(
        before="Not activating Mandatory Access Control",
        lines=_panic("false", "Attempted to kill init! exitcode=0x00000100", "   21.187136"),
        then=Then.CRASHES,
    ),
    FaultKind.WRONG_ROOT: _Ending(
        before=_INITRAMFS,
        lines=(
            *["Begin: Running /scripts/local-block ... done."] * 3,
            "done.",
            "Gave up waiting for root file system device.  Common problems:",
            " - Boot args (cat /proc/cmdline)",
            "   - Check rootdelay= (did the system wait long enough?)",
            " - Missing modules (cat /proc/modules; ls /dev)",
            "ALERT!  /dev/nowhere does not exist.  Dropping to a shell!",
            "(initramfs) ",
        ),
        seconds=15.0,
    ),
    FaultKind.FSCK_PROMPT: _Ending(
        before=_INITRAMFS,
        lines=(
            "/dev/xvda1: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.",
            "\t(i.e., without -a or -p options)",
            "(initramfs) ",
        ),
    ),
    FaultKind.REBOOT: _Ending(before=_INIT, then=Then.REBOOTS),
    FaultKind.BOOT_HANGS: _Ending(before=_LATE),
    FaultKind.CRASH: _Ending(before=_INIT, then=Then.CRASHES),
    FaultKind.POWER_OFF: _Ending(
        before=_LATE, lines=("[   12.204417] reboot: System halted",), then=Then.POWERS_OFF
    ),
    FaultKind.VANISH: _Ending(before=_LATE, then=Then.VANISHES),
    FaultKind.EMERGENCY: _Ending(
        before=_LATE,
        lines=(
            "[\x1b[0;1;31m TIME \x1b[0m] Timed out waiting for device dev-xvdb1.device.",
            "[\x1b[0;1;38;5;185mDEPEND\x1b[0m] Dependency failed for srv.mount - /srv.",
            'You are in emergency mode. After logging in, type "journalctl -xb" to view',
            'system logs, "systemctl reboot" to reboot, "systemctl default" or "exit"',
            "to boot into default mode.",
            "Give root password for maintenance",
            "(or press Control-D to continue): ",
        ),
        seconds=10.0,
    ),
}
BOOT_FAULTS = tuple(_ENDINGS)
"""The kinds that end a boot, in the order in which they are looked for."""
PROMPTS = ("(initramfs) ", "(or press Control-D to continue): ")
"""Lines after which there is no line feed."""
DEATH = _panic("systemd", "Fatal exception in interrupt", "   95.204417")
"""The last words of a guest that had booted."""


def boot_of(cmdline: str, hostname: str, kind: FaultKind | None) -> Boot:
    """The boot of a guest, spoilt by a fault of *kind* if one is given."""
    good = [
        Line(seconds=line.seconds, text=_own(line.text, cmdline, hostname))
        for line in _recorded("boot.log")
    ]
    ending = _ENDINGS.get(kind) if kind else None
    if ending is None:
        return Boot(lines=tuple(good), then=Then.UP)
    at = next(index for index, line in enumerate(good) if ending.before in line.text)
    bad = [
        Line(seconds=ending.seconds if first == 0 else _LINE, text=text)
        for first, text in enumerate(ending.lines)
    ]
    return Boot(lines=(*good[:at], *bad), then=ending.then, noise=ending.noise)


def power_off_lines() -> tuple[Line, ...]:
    """What a guest prints that powers off in good order."""
    return _recorded("poweroff.log")


@cache
def _recorded(name: str) -> tuple[Line, ...]:
    text = (resources.files("harness.sim") / "data" / name).read_text(encoding="utf-8")
    found: list[Line] = []
    now = 0.0
    for line in text.splitlines():
        stamp = _STAMP.match(line)
        due = float(stamp["seconds"]) / _SPEED if stamp and name == "boot.log" else now + _LINE
        seconds = max(0.0, due - now)
        found.append(Line(seconds=seconds, text=line))
        now += seconds
    return tuple(found)


def _own(line: str, cmdline: str, hostname: str) -> str:
    for words in ("Command line: ", "Kernel command line: "):
        if words in line:
            return line.partition(words)[0] + words + cmdline
    return line.replace("Hostname set to <guest>", f"Hostname set to <{hostname}>")
