"""Lending dom0 an image as a disk, through QEMU."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from harness.testbox.paths import TestboxPaths
from harness.testbox.qemu import SCSI_BUS
from harness.testbox.qmp import connect
from harness.wait import Deadline

PLUG_TIMEOUT = timedelta(seconds=60)


class TestboxPlug:
    """A `harness.host.transfer.DiskPlug` for one testbox."""

    __test__ = False  # pytest would take the name for a test class

    def __init__(self, name: str) -> None:
        self._paths = TestboxPaths(name)

    def plug(self, name: str, image: Path) -> None:
        """Plug *image* in, read only; *name* becomes its serial number."""
        with connect(self._paths.files.qmp, Deadline.after(PLUG_TIMEOUT)) as qmp:
            qmp.add_disk(name, image, SCSI_BUS)

    def unplug(self, name: str) -> None:
        """Take it out again."""
        deadline = Deadline.after(PLUG_TIMEOUT)
        with connect(self._paths.files.qmp, deadline) as qmp:
            qmp.remove_disk(name, deadline)
