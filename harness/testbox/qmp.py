"""Talking to a running QEMU over its machine protocol (QMP)."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from qemu.qmp import ExecuteError, QMPError
from qemu.qmp.qmp_client import QMPClient

from harness.cache import exclusive
from harness.errors import LabError
from harness.testbox.paths import QMP_LOCK
from harness.wait import Deadline, NotYet, wait_for

COMMAND_TIMEOUT = timedelta(seconds=30)
GREETING_TIMEOUT = timedelta(seconds=10)
TICK = timedelta(milliseconds=50)
T = TypeVar("T")

_MIGRATING = {"setup", "active", "device", "cancelling", "pre-switchover"}


class Qmp:
    """One connection to a QEMU; make it with `connect`."""

    def __init__(self, client: QMPClient, loop: asyncio.Runner) -> None:
        self._client = client
        self._loop = loop

    def execute(self, command: str, **arguments: object) -> Any:  # noqa: ANN401 (JSON)
        """Run a QMP command and give back what it returns; `LabError` when QEMU refuses."""
        try:
            answer = asyncio.wait_for(
                self._client.execute(command, arguments), COMMAND_TIMEOUT.total_seconds()
            )
            return self._loop.run(_awaited(answer))
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
        try:
            self.execute("stop")
            self.execute("migrate-set-parameters", **{"max-bandwidth": 10**10})
            self.execute("migrate", uri=f"exec:cat > {shlex.quote(str(path))}")
            self._wait_migrated(deadline)
        except BaseException:
            # Whatever went wrong, or Ctrl-C: it goes on as if nothing had been asked.
            with suppress(LabError):
                self.go_on()
            path.unlink(missing_ok=True)
            raise

    def go_on(self) -> None:
        """Let a stopped machine run, also out of the middle of saving its state."""
        if self.execute("query-migrate").get("status") in _MIGRATING:
            self.execute("migrate_cancel")
            self._wait_status_not("finish-migrate")
        self.execute("cont")

    def _wait_status_not(self, status: str) -> None:
        def check() -> None:
            if self.status() == status:
                raise NotYet(status)

        wait_for(check, what="QEMU to stop saving", deadline=Deadline.after(COMMAND_TIMEOUT))

    def _wait_migrated(self, deadline: Deadline) -> None:
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
def connect(
    socket: Path, deadline: Deadline, alive: Callable[[], bool] = lambda: True
) -> Iterator[Qmp]:
    """A connection to the QEMU behind *socket*; waits until QEMU has made it.

    Waiting ends early with `LabError` when QEMU is not *alive* any more. QEMU talks to one
    client at a time and lets others wait without a word, so a lock file beside the socket
    keeps them apart.
    """

    def dial() -> QMPClient:
        if not alive():
            msg = "QEMU has ended"
            raise LabError(msg)
        client = QMPClient()
        patience = max(0.5, min(GREETING_TIMEOUT.total_seconds(), deadline.remaining))
        try:
            loop.run(_awaited(asyncio.wait_for(client.connect(str(socket)), patience)))
        except (QMPError, OSError, TimeoutError) as error:
            loop.run(client.disconnect())
            raise NotYet(str(error) or repr(error)) from error
        return client

    with (
        exclusive(
            socket.with_suffix(QMP_LOCK),
            what=f"QEMU's socket {socket}",
            timeout=timedelta(seconds=deadline.remaining),
        ),
        asyncio.Runner() as loop,
    ):
        client = wait_for(dial, what=f"QEMU's socket {socket}", deadline=deadline, interval=TICK)
        try:
            yield Qmp(client, loop)
        finally:
            with suppress(QMPError, OSError, EOFError):
                loop.run(client.disconnect())


async def _awaited(answer: Awaitable[T]) -> T:
    return await answer
