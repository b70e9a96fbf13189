"""How far a build or a boot is, told from what it says."""

from __future__ import annotations

import re

_BUILD = (
    (re.compile(r"running apt-get update"), 0.02),
    (re.compile(r"downloading packages"), 0.08),
    (re.compile(r"extracting archives"), 0.15),
    (re.compile(r"installing essential packages"), 0.2),
    (re.compile(r"installing remaining packages"), 0.35),
    (re.compile(r"cleaning package lists"), 0.85),
    (re.compile(r"creating tarball"), 0.88),
)
"""mmdebstrap's lines, and about how much of a build is then done."""

_BOOT = (
    (re.compile(rb"Xen version \d"), "Xen starts", 0.1),
    (re.compile(rb"Linux version \d"), "dom0's kernel starts", 0.2),
    (re.compile(rb"Run /init|Loading, please wait"), "dom0's initramfs", 0.4),
    (re.compile(rb"systemd\[1\]|Welcome to"), "dom0's services start", 0.5),
    (re.compile(rb"Reached target.*network"), "dom0's network is up", 0.7),
    (re.compile(rb"login:|root@\S+:"), "dom0 is up", 0.8),
)
"""What the host's serial console shows on its way up, and about how far that is."""


def build_stage(line: str) -> tuple[str, float] | None:
    """What mmdebstrap begins with this line; None for a line that begins nothing."""
    for pattern, fraction in _BUILD:
        if pattern.search(line):
            return line.removeprefix("I: ").strip(" ."), fraction
    return None


def boot_stage(console: bytes) -> tuple[str, float]:
    """The furthest stage that the host's console has shown."""
    reached = [(words, part) for pattern, words, part in _BOOT if pattern.search(console)]
    return reached[-1] if reached else ("QEMU starts", 0.0)
