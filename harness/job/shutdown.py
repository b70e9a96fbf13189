"""A guest that was asked to power off: is it down, and in good order?"""

from __future__ import annotations

import re

from harness.console.recorder import ConsoleRecorder
from harness.errors import DeadlineExceeded, GuestFailure
from harness.wait import Deadline
from harness.xen.domain import Domain

POWERED_OFF = re.compile(r"reboot: (Power down|System halted|Power off not available)")
"""Linux's last words (kernel/reboot.c). A PV guest has no power to switch off, and halts;
6.12 then says "Power off not available: System halted instead"."""


def wait_down(domain: Domain, recorder: ConsoleRecorder, mark: int, deadline: Deadline) -> None:
    """Wait until *domain* is gone and its console, since position *mark*, said so.

    `GuestFailure` when either does not come.
    """
    try:
        domain.wait_gone(deadline)
    except DeadlineExceeded as error:
        raise GuestFailure(
            str(error),
            phase="shutdown",
            failure_class="no-shutdown",
            evidence=recorder.tail(),
        ) from error
    said = "\n".join(recorder.lines_since(mark))
    if not POWERED_OFF.search(said):
        msg = "its domain is gone, but its kernel never said on the console that it ended"
        raise GuestFailure(
            msg,
            phase="shutdown",
            failure_class="unclean-shutdown",
            evidence=recorder.tail(),
        )
