"""Talking to a running QEMU over its machine protocol (QMP)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from qemu.qmp import ExecuteError, QMPError
from qemu.qmp.legacy import QEMUMonitorProtocol

from harness.errors import LabError
from harness.wait import Deadline, NotYet, wait_for

COMMAND_TIMEOUT = timedelta(seconds=30)


class Qmp:
    """One connection to a QEMU; make it with `connect`."""

    def __init__(self, monitor: QEMUMonitorProtocol) -> None:
        self._monitor = monitor

    def execute(self, command: str, **arguments: object) -> Any:  # noqa: ANN401 (JSON)
        """Run a QMP command and give back what it returns; `LabError` when QEMU refuses."""
        try:
            return self._monitor.cmd(command, **arguments)
        except ExecuteError as error:
            msg = f"QEMU refused {command}: {error}"
            raise LabError(msg) from error
        except (QMPError, OSError, TimeoutError) as error:
            msg = f"QEMU stopped answering during {command}: {error!r}"
            raise LabError(msg) from error

    def status(self) -> str:
        """QEMU's run state: ``running``, ``paused``, ``inmigrate``, ``internal-error``..."""
        return str(self.execute("query-status")["status"])

    def save_state(self, path: Path, deadline: Deadline) -> None:
        """Stop the machine and write its state to *path*; it stays stopped.

        The disks belong to the state from then on: whoever writes to them makes it useless.
        """
        self.execute("stop")
        self.execute("migrate-set-parameters", **{"max-bandwidth": 10**10})
        self.execute("migrate", uri=f"exec:cat > {shlex.quote(str(path))}")

        def finished() -> None:
            found = self.execute("query-migrate")
            status = found.get("status", "none")
            if status in {"failed", "cancelled"}:
                msg = f"QEMU could not save its state: {found.get('error-desc', status)}"
                raise LabError(msg)
            if status != "completed":
                msg = f"migration is {status}"
                raise NotYet(msg)

        wait_for(finished, what="QEMU to save its state", deadline=deadline)

    def add_disk(self, name: str, image: Path, bus: str) -> None:
        """Plug *image* (raw, read only) in as a SCSI disk with *name* as its serial number."""
        self.execute(
            "blockdev-add",
            **{
                "driver": "raw",
                "node-name": name,
                "read-only": True,
                "file": {"driver": "file", "filename": str(image), "read-only": True},
            },
        )
        try:
            self.execute("device_add", driver="scsi-hd", bus=bus, drive=name, id=name, serial=name)
        except LabError:
            self.execute("blockdev-del", **{"node-name": name})
            raise

    def remove_disk(self, name: str, deadline: Deadline) -> None:
        """Unplug the disk *name* again."""
        self.execute("device_del", id=name)

        def gone() -> None:
            # QEMU lets go of the node only when the device is really out.
            try:
                self.execute("blockdev-del", **{"node-name": name})
            except LabError as error:
                raise NotYet(str(error)) from error

        wait_for(gone, what=f"disk {name} to be unplugged", deadline=deadline)


@contextmanager
def connect(socket: Path, deadline: Deadline) -> Iterator[Qmp]:
    """A connection to the QEMU behind *socket*; waits until QEMU has made it."""

    def dial() -> QEMUMonitorProtocol:
        monitor = QEMUMonitorProtocol(str(socket))
        monitor.settimeout(COMMAND_TIMEOUT.total_seconds())
        try:
            monitor.connect()
        except (QMPError, OSError) as error:
            monitor.close()
            raise NotYet(str(error)) from error
        return monitor

    monitor = wait_for(dial, what=f"QEMU's socket {socket}", deadline=deadline)
    try:
        yield Qmp(monitor)
    finally:
        monitor.close()
