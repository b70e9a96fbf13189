"""Inventories of a host for the leak ledger, taken beside what else the process does.

Each is one command. The one after a job serves as the one before the next job of the same process,
if that follows soon: so as a rule there is one for each job, and nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from typing import TypeVar

from harness.errors import HostLost
from harness.host.census import Census
from harness.host.censustaking import take_census
from harness.host.xenhost import XenHost
from harness.wait import SYSTEM_CLOCK, Clock

FRESH = timedelta(seconds=30)
"""How old the inventory after one job may be to be the one before the next. What others do
meanwhile is told with the wrong job then, but never counted as ours."""
_AT_ONCE = 8

Reconnect = Callable[[], XenHost]
T = TypeVar("T")


class Inventories:
    """Those of one process. `close` when all of their results were waited for."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self.clock = clock
        self._pool = SYSTEM_CLOCK.pool(_AT_ONCE, "inventory")
        self._last: tuple[float, Future[Census]] | None = None

    def before(self, host: XenHost, again: Reconnect) -> Future[Census]:
        """What is on *host* before a job takes anything; to be called before it does."""
        if self._last:
            began, last = self._last
            if self.clock.monotonic() - began <= FRESH.total_seconds() and _is_good(last):
                return last
        return self.take(host, again)

    def take(self, host: XenHost, again: Reconnect) -> Future[Census]:
        """What is on *host* now. Returns at once; in the result is the census, or a `LabError`."""
        taken = self._pool.submit(ask, host, again)
        self._last = (self.clock.monotonic(), taken)
        return taken

    def begin(self, work: Callable[[], T]) -> Future[T]:
        """Do something with them, once they are there."""
        return self._pool.submit(work)

    def close(self) -> None:
        """Begin no more. One that still runs ends with its connection."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def ask(host: XenHost, again: Reconnect) -> Census:
    """A census of *host*; if its connection is gone, over a new one. `LabError` when neither."""
    if host.runner.alive:
        try:
            return take_census(host)
        except HostLost:
            pass
    other = again()
    try:
        return take_census(other)
    finally:
        other.close()


def _is_good(taken: Future[Census]) -> bool:
    """Whether it has a result, or may yet have one."""
    return not taken.done() or (not taken.cancelled() and taken.exception() is None)
