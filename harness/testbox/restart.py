"""Power-cycling a testbox: dom0 boots again, from the disks it had."""

from __future__ import annotations

from dataclasses import replace

from harness.testbox.launch import Launch
from harness.testbox.limits import ASK_TIMEOUT
from harness.testbox.paths import TestboxPaths
from harness.testbox.qmp import connect
from harness.testbox.record import InstanceRecord, Stage
from harness.testbox.warm import SavedState
from harness.wait import Deadline

HOW = "booted again after a power cut"


def restart(launch: Launch, record: InstanceRecord) -> None:
    """End the QEMU of *record*, if it still runs, and start another on its disks.

    That is what a power cut is: QEMU's own reset left dead testboxes behind, since a reboot that
    the machine asks for on its way up ends a QEMU with -no-reboot. What is on the disks stays, as
    far as dom0 had written it. `LabError` when it can't be started.
    """
    # Whatever was saved of it no longer fits its disks.
    SavedState(directory=launch.paths.top, key="").unseal()
    record.end()
    # At its old port, since others know it by that.
    fresh = replace(launch, ports=lambda: record.ssh_port).start(HOW)
    # Not "starting": whoever finds that takes it for one whose starter died, and ends it.
    launch.note(fresh, Stage.READY)


def reset(paths: TestboxPaths) -> None:
    """Press the button of a testbox that boots from its own disk; its console goes on.

    `LabError` when its QEMU does not answer.
    """
    SavedState(directory=paths.top, key="").unseal()
    with connect(paths.files.qmp, Deadline.after(ASK_TIMEOUT)) as qmp:
        qmp.execute("system_reset")
