"""Failure classes of a boot: the lines that betray each, and which one to believe.

Texts come from the sources that print them: Linux (kernel/panic.c, mm/oom_kill.c,
init/do_mounts.c, init/initramfs.c, kernel/watchdog.c), initramfs-tools' ``scripts/local``
and ``scripts/functions``, systemd's sulogin-shell, util-linux's sulogin, e2fsck, GRUB.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FailureClass:
    """A kind of failure. Not *fatal*: noted, and believed only if the boot then fails."""

    name: str
    explanation: str
    fatal: bool = True


@dataclass(frozen=True, kw_only=True)
class Sign:
    """A cleaned line that betrays a class. *prompt*: the guest waits there, without line feed."""

    failure_class: str
    pattern: re.Pattern[str]
    sample: str
    prompt: bool = False


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A sign that was seen, and the line it was seen in."""

    failure: FailureClass
    line: str
    position: int


FAILURE_CLASSES: tuple[FailureClass, ...] = (
    FailureClass(
        name="out-of-memory",
        explanation="the guest has too little memory; give it more, or a smaller initrd",
    ),
    FailureClass(
        name="root-not-found",
        explanation="no root filesystem under that name; see root= and the disk's name in xl.cfg",
    ),
    FailureClass(
        name="fsck-prompt",
        explanation="the root filesystem is damaged; it was not unmounted, or is being shared",
    ),
    FailureClass(name="kernel-panic", explanation="the guest's kernel panicked"),
    FailureClass(name="kernel-oops", explanation="the guest's kernel hit a bug"),
    FailureClass(
        name="emergency-shell",
        explanation="systemd gave up on a mount or a unit it needs; see its line above",
    ),
    FailureClass(
        name="initramfs-shell", explanation="the initramfs gave up and waits at its own shell"
    ),
    FailureClass(
        name="grub-prompt", explanation="GRUB found no configuration or no kernel to start"
    ),
    FailureClass(
        name="unexpected-reboot", explanation="the guest started again in the middle of its boot"
    ),
    FailureClass(
        name="soft-lockup",
        explanation="a virtual CPU made no progress; often the host is overloaded",
        fatal=False,
    ),
)
"""The most telling first: of several seen together, the first in this order wins."""

_BY_NAME = {failure.name: failure for failure in FAILURE_CLASSES}
_RANK = {failure.name: rank for rank, failure in enumerate(FAILURE_CLASSES)}
_KERNEL = r"(?:^|\] )"


def _sign(failure_class: str, pattern: str, sample: str, *, prompt: bool = False) -> Sign:
    return Sign(
        failure_class=failure_class, pattern=re.compile(pattern), sample=sample, prompt=prompt
    )


SIGNS: tuple[Sign, ...] = (
    _sign(
        "out-of-memory",
        r"Out of memory: Killed process \d+",
        "[   12.345678] Out of memory: Killed process 142 (cryptsetup) total-vm:64512kB",
    ),
    _sign(
        "out-of-memory",
        r"Kernel panic - not syncing: (?:System is deadlocked on memory|Out of memory)",
        "[    2.114532] Kernel panic - not syncing: System is deadlocked on memory",
    ),
    _sign(
        "out-of-memory",
        r"Initramfs unpacking failed: write error",
        "[    1.842211] Initramfs unpacking failed: write error",
    ),
    _sign(
        "root-not-found",
        r"Kernel panic - not syncing: VFS: Unable to mount root fs",
        "[    1.3] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
    ),
    _sign(
        "root-not-found",
        r"^ALERT! +\S+ does not exist\.",
        "ALERT!  /dev/xvdz9 does not exist.  Dropping to a shell!",
    ),
    _sign(
        "root-not-found",
        r"Gave up waiting for (?:the )?root",
        "Gave up waiting for root file system device.  Common problems:",
    ),
    _sign(
        "root-not-found",
        r"^No root device specified\.",
        "No root device specified. Boot arguments must include a root= parameter.",
    ),
    _sign(
        "root-not-found",
        r"^Failed to mount \S+ as root file system",
        "Failed to mount /dev/xvda1 as root file system.",
    ),
    _sign(
        "root-not-found",
        r"^No init found\. Try passing init=",
        "No init found. Try passing init= bootarg.",
    ),
    _sign(
        "fsck-prompt",
        r"UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY",
        "/dev/xvda1: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.",
    ),
    _sign(
        "fsck-prompt",
        r"The \S+ filesystem on \S+ requires a manual fsck",
        "The root filesystem on /dev/xvda1 requires a manual fsck",
    ),
    _sign(
        "fsck-prompt",
        r"(?:Fix|Clear|Abort|Ignore error)(?:<[yn]>| \([yn]\))\? ?$",
        "Inode 12 has illegal block(s).  Clear<y>? ",
        prompt=True,
    ),
    _sign(
        "kernel-panic",
        _KERNEL + r"Kernel panic - not syncing",
        "[    4.020211] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
    ),
    _sign(
        "kernel-oops",
        _KERNEL + r"BUG: (?!soft lockup)",
        "[    5.1] BUG: kernel NULL pointer dereference, address: 0000000000000008",
    ),
    _sign(
        "kernel-oops",
        _KERNEL + r"(?:Internal error: )?Oops: ",
        "[    5.100114] Oops: 0000 [#1] PREEMPT SMP NOPTI",
    ),
    _sign(
        "kernel-oops",
        _KERNEL + r"general protection fault[,:]",
        "[    0.4] general protection fault, probably for non-canonical address 0x6b6b6b6b",
    ),
    _sign(
        "kernel-oops", _KERNEL + r"kernel BUG at ", "[    1.204512] kernel BUG at mm/slub.c:305!"
    ),
    _sign(
        "emergency-shell",
        r"^You are in (?:emergency|rescue) mode",
        'You are in emergency mode. After logging in, type "journalctl -xb" to view',
    ),
    _sign(
        "emergency-shell",
        r"^Give root password for (?:maintenance|system maintenance)",
        "Give root password for maintenance",
    ),
    _sign(
        "emergency-shell",
        r"^Cannot open access to console, the root account is locked",
        "Cannot open access to console, the root account is locked.",
    ),
    _sign("initramfs-shell", r"^\(initramfs\) ", "(initramfs) ", prompt=True),
    _sign("grub-prompt", r"^grub(?: rescue)?> ", "grub rescue> ", prompt=True),
    # It then shows its menu, and waits for ever.
    _sign(
        "grub-prompt",
        r"^ *Failed to boot both default and fallback entries",
        "  Failed to boot both default and fallback entries.",
    ),
    _sign(
        "soft-lockup",
        r"watchdog: BUG: soft lockup - CPU#\d+ stuck",
        "[   48.000114] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [swapper/0:1]",
    ),
)


def find_sign(text: str, position: int = 0, *, complete: bool = True) -> Finding | None:
    """What a cleaned line betrays; of an incomplete line only prompts are believed."""
    for sign in SIGNS:
        if (complete or sign.prompt) and sign.pattern.search(text):
            failure = _BY_NAME[sign.failure_class]
            return Finding(failure=failure, line=text.strip(), position=position)
    return None


def reboot_finding(line: str, position: int) -> Finding:
    """The finding for a kernel that starts although one was running already."""
    return Finding(failure=_BY_NAME["unexpected-reboot"], line=line.strip(), position=position)


def most_telling(findings: Sequence[Finding]) -> Finding | None:
    """The finding to name: by class first, then the earliest.

    A wrong root= ends at the initramfs prompt or in a panic, and a panic often follows an
    oops; the cause says more than what came of it.
    """
    return min(findings, key=lambda one: (_RANK[one.failure.name], one.position), default=None)


def end_of(lines: Iterable[str]) -> Finding | None:
    """What ended the guest that said *lines*; None when nothing did. Positions count lines."""
    found = (find_sign(line, number) for number, line in enumerate(lines))
    return most_telling([one for one in found if one and one.failure.fatal])


def explain(finding: Finding, findings: Sequence[Finding]) -> str:
    """One sentence: the line, what it means, and what else was seen before it."""
    others: dict[str, Finding] = {}
    for one in findings:
        if one.failure.name != finding.failure.name:
            others.setdefault(one.failure.name, one)
    seen = "".join(f"; also {name}: {one.line}" for name, one in others.items())
    return f"{finding.line!r}: {finding.failure.explanation}{seen}"
