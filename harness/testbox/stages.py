"""How far a boot is, told from what the host's console says."""

from __future__ import annotations

import re

_BOOT = (
    (re.compile(rb"Xen version \d"), "Xen starts", 0.1),
    (re.compile(rb"Linux version \d"), "dom0's kernel starts", 0.2),
    (re.compile(rb"Run /init|Loading, please wait"), "dom0's initramfs", 0.4),
    (re.compile(rb"systemd\[1\]|Welcome to"), "dom0's services start", 0.5),
    (re.compile(rb"Reached target.*network"), "dom0's network is up", 0.7),
    (re.compile(rb"login:|root@\S+:"), "dom0 is up", 0.8),
)
"""What the host's serial console shows on its way up, and about how far that is."""


def boot_stage(console: bytes) -> tuple[str, float]:
    """The furthest stage that the host's console has shown."""
    reached = [(words, part) for pattern, words, part in _BOOT if pattern.search(console)]
    return reached[-1] if reached else ("QEMU starts", 0.0)
