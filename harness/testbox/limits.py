"""How long the parts of a testbox's life may take, and how much room they need."""

from __future__ import annotations

from datetime import timedelta

from harness.units import Size

BOOT_TIMEOUT = timedelta(minutes=10)
INSTALL_TIMEOUT = timedelta(minutes=15)
RESUME_TIMEOUT = timedelta(minutes=2)
SAVE_TIMEOUT = timedelta(minutes=3)
ASK_TIMEOUT = timedelta(seconds=60)
"""For QEMU to answer a question."""

WARM_SPACE = Size.parse("1G")
"""dom0's memory, and what a boot writes to its disks."""
