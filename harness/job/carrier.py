"""Brings images to one host, one at a time, over a connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from harness.errors import XenflightError
from harness.host.xenhost import XenHost
from harness.wait import SYSTEM_CLOCK

Connect = Callable[[], XenHost]


class Carrier:
    """A thread for the host called *name*, and its connection. `join` must be called in the end."""

    def __init__(self, name: str, connect: Connect) -> None:
        self._connect = connect
        self._host: XenHost | None = None
        self._pool = SYSTEM_CLOCK.pool(1, f"image-transfer-{name}")

    def connect_early(self) -> Future[None]:
        """Connect while the first image is built; whoever needs the host tries again."""
        return self.submit(self._connect_early)

    def submit(self, work: Callable[[], None]) -> Future[None]:
        """Do *work*, which may use `host`, when all before it is done."""
        return self._pool.submit(work)

    def host(self) -> XenHost:
        """The host, connected; for work that was submitted. `LabError` when that can't be."""
        if self._host is None or not self._host.runner.alive:
            self._host = self._connect()
        return self._host

    def shut(self) -> None:
        """Take no more work, and drop what was not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def cut(self) -> None:
        """End its connection, and with it a copy of many minutes, or a wait for a lock."""
        if self._host:
            self._host.close()

    def join(self) -> None:
        """Wait for its thread, and let go of the host."""
        self._pool.shutdown(wait=True)
        self.cut()

    def _connect_early(self) -> None:
        with suppress(XenflightError):
            self.host()
