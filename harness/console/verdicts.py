"""Failure classes of a boot: the lines that betray each, and which one to believe.

The lines themselves, with the sources that print them, are in `kernel_signs` and
`boot_signs`; noise, which no line betrays, is told by `garbage`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from harness.console.boot_signs import BOOT_SIGNS
from harness.console.hints import any_of
from harness.console.kernel_signs import KERNEL_SIGNS
from harness.console.sign import Sign
from harness.console.xen_signs import HOST_SIGNS


@dataclass(frozen=True, kw_only=True)
class FailureClass:
    """A kind of failure. Not *fatal*: noted, and believed only if the boot then fails.

    *slow*: all it says is that time was lost, which an overloaded host brings about as well.
    """

    name: str
    explanation: str
    fatal: bool = True
    slow: bool = False


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
        name="boot-file-missing",
        explanation="GRUB did not find what it should load; see the entry, and /boot",
    ),
    FailureClass(
        name="xen-panic",
        explanation="Xen panicked; what it says between the stars is why",
    ),
    FailureClass(
        name="root-not-found",
        explanation="no root filesystem under that name; see root= and the disk's name in xl.cfg",
    ),
    FailureClass(
        name="fsck-prompt",
        explanation="the root filesystem is damaged; it was not unmounted, or is being shared",
    ),
    FailureClass(
        name="no-boot-device",
        explanation="the firmware found nothing to boot; see the disks in xl.cfg and the boot"
        " loader in the image",
    ),
    FailureClass(
        name="loader-crash", explanation="the firmware or boot loader crashed before any kernel"
    ),
    FailureClass(name="kernel-panic", explanation="the guest's kernel panicked"),
    FailureClass(name="hwdom-crash", explanation="dom0 crashed, and its host goes down with it"),
    FailureClass(name="kernel-oops", explanation="the guest's kernel hit a bug"),
    FailureClass(
        name="init-frozen",
        explanation="systemd cannot go on, and does nothing more; see its line above",
    ),
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
        name="garbage",
        explanation="noise comes instead of text; is it the right console, and is anybody else"
        " reading or writing it",
    ),
    FailureClass(
        name="disk-error",
        explanation="a disk of the guest gives errors; see the volume, and dmesg in dom0",
        fatal=False,
    ),
    FailureClass(
        name="device-timeout",
        explanation="a back end in dom0 did not connect to the guest's device",
        fatal=False,
        slow=True,
    ),
    FailureClass(
        name="soft-lockup",
        explanation="a virtual CPU made no progress; often the host is overloaded",
        fatal=False,
        slow=True,
    ),
    FailureClass(
        name="rcu-stall",
        explanation="a virtual CPU made no progress for long; often the host is overloaded",
        fatal=False,
        slow=True,
    ),
    FailureClass(
        name="hung-task",
        explanation="a task waited for minutes, most often for a disk; often the host is"
        " overloaded",
        fatal=False,
        slow=True,
    ),
)
"""The most telling first: of several seen together, the first in this order wins."""

_BY_NAME = {failure.name: failure for failure in FAILURE_CLASSES}
_RANK = {failure.name: rank for rank, failure in enumerate(FAILURE_CLASSES)}
SIGNS: tuple[Sign, ...] = (*KERNEL_SIGNS, *BOOT_SIGNS, *HOST_SIGNS)
_HINTS = re.compile(any_of(hint for sign in SIGNS for hint in sign.hints))


def find_sign(text: str, position: int = 0, *, complete: bool = True) -> Finding | None:
    """What a cleaned line betrays; of an incomplete line only prompts are believed."""
    if not _HINTS.search(text):
        return None
    for sign in SIGNS:
        if (complete or sign.prompt) and sign.shows_in(text):
            return finding(sign.failure_class, text, position)
    return None


def finding(failure_class: str, line: str, position: int) -> Finding:
    """A finding of the class with that name."""
    return Finding(failure=_BY_NAME[failure_class], line=line.strip(), position=position)


def most_telling(findings: Collection[Finding]) -> Finding | None:
    """The finding to name: by class first, then the earliest.

    A wrong root= ends at the initramfs prompt or in a panic, and a panic often follows an
    oops; the cause says more than what came of it.
    """
    return min(findings, key=lambda one: (_RANK[one.failure.name], one.position), default=None)


def explain(finding: Finding, findings: Collection[Finding]) -> str:
    """One sentence: the line, what it means, and what else was seen before it."""
    others: dict[str, Finding] = {}
    for one in findings:
        if one.failure.name != finding.failure.name:
            others.setdefault(one.failure.name, one)
    seen = "".join(f"; also {name}: {one.line}" for name, one in others.items())
    return f"{finding.line!r}: {finding.failure.explanation}{seen}"
