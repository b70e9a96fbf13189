"""The power of a testbox: its QEMU has the buttons."""

from __future__ import annotations

import os

from harness.errors import LabError
from harness.power.model import PowerState
from harness.testbox.machine import Testbox

KEPT = 1 << 20
"""Bytes of its console's end."""


class TestboxPower:
    """The power of one testbox."""

    __test__ = False  # pytest would take the name for a test class

    def __init__(self, box: Testbox) -> None:
        self._box = box

    @property
    def name(self) -> str:
        """What does it."""
        return f"the QEMU of testbox {self._box.name}"

    def status(self) -> PowerState:
        """Off is also a testbox whose QEMU has died."""
        return PowerState.ON if self._box.record() else PowerState.OFF

    def cycle(self) -> None:
        """See `Power.cycle`."""
        self._box.power_cycle()

    def log(self) -> bytes:
        """What Xen and dom0 said on the serial line."""
        path = self._box.paths.files.console_log
        try:
            with path.open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - KEPT))
                return log.read(KEPT)
        except FileNotFoundError:
            return b""
        except OSError as error:
            msg = f"cannot read the console of testbox {self._box.name}: {error.strerror}"
            raise LabError(msg) from error
