"""Writes a flight into its store as it flies, beside the flight and never in its way.

All of it happens in a thread of its own. Whatever is wrong with the store, the flight goes on;
what could not be written is kept in a file, tried again, and delivered by a later run.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.errors import XenflightError
from harness.results.events import Event
from harness.results.layout import FlightDirectory
from harness.store.about import About
from harness.store.deliver import deliver_pending
from harness.store.live import LiveFlight
from harness.store.spool import spool_flight
from harness.store.store import Store
from harness.wait import SYSTEM_CLOCK, Clock, Deadline

HEARTBEAT = timedelta(seconds=30)
"""A flight says at least that often that it lives."""
RETRY = timedelta(seconds=30)
"""After a fault the store is left alone for so long."""
CLOSING = timedelta(seconds=20)
"""How long the end of a flight waits for the store."""
AT_MOST = timedelta(seconds=1)
"""So often is the store written while the flight flies."""
MANY = 1000
"""Events that are taken in at once, at most."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class StoreWriter:
    """An `EventSink` of one flight. Call `close` when the flight is over."""

    def __init__(
        self,
        store: Store,
        about: About,
        flight: FlightDirectory,
        *,
        now: Callable[[], datetime] = _utc_now,
        clock: Clock = SYSTEM_CLOCK,
        heartbeat: timedelta = HEARTBEAT,
        retry: timedelta = RETRY,
        at_most: timedelta = AT_MOST,
    ) -> None:
        self._store = store
        self._about = about
        self._flight = flight
        self._now = now
        self._clock = clock
        self._heartbeat = heartbeat
        self._retry = retry
        self._at_most = at_most
        self._due = Deadline.after(timedelta(0), clock)
        """Until then what comes is collected."""
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._live = LiveFlight(about)
        self._pause: Deadline | None = None
        """Until then the store is left alone."""
        self._problem = ""
        self._spooled: Path | None = None
        self._notes: list[str] = []
        self._delivered = False
        self._thread: threading.Thread | None = None

    def took(self, event: Event) -> None:
        """Hear of an event; it is in the store some moments later."""
        self._events.put(event)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="store writer", daemon=True)
            self._thread.start()

    def close(self, timeout: timedelta = CLOSING) -> list[str]:
        """The flight is over: write all of it. What its operator should know, empty if nothing.

        An interrupt ends the waiting, as the time does, and what is written then is kept.
        """
        if self._thread is None:
            return []
        self._events.put(None)
        try:
            self._thread.join(timeout.total_seconds())
        except KeyboardInterrupt:
            self._problem = self._problem or "interrupted"
        if self._thread.is_alive():
            self._problem = self._problem or f"{self._store.url.shown} did not answer"
        if self._problem:
            self._keep()
            self._notes.append(self._told())
        return self._notes

    # -- in the thread -----------------------------------------------------------------

    def _run(self) -> None:
        try:
            going_on = True
            while going_on:
                going_on = self._take_in()
                if self._live.begun and (not going_on or self._may_try()):
                    self._save(last=not going_on)
            self._store.close()
        except Exception as error:  # noqa: BLE001  # a bug here must not go unheard, nor be the flight's
            self._problem = f"the store's writer broke down: {type(error).__name__}: {error}"

    def _take_in(self) -> bool:
        """All events that are there, waiting for the first; False after the last."""
        try:
            event = self._events.get(timeout=self._heartbeat.total_seconds())
            for _ in range(MANY):
                if event is None:
                    return False
                self._live.took(event)
                # A transaction for each event would cost more than all else of a quick job.
                event = self._events.get(timeout=self._due.remaining)
            if event is None:
                return False
            self._live.took(event)
        except queue.Empty:
            pass
        return True

    def _may_try(self) -> bool:
        return self._pause is None or self._pause.expired

    def _save(self, *, last: bool) -> None:
        if last:
            # Files that came to be after the last event are counted, too.
            self._live.forget()
        try:
            with self._store.writing(make=True) as connection:
                self._live.save(connection, self._now())
        except XenflightError as error:
            self._live.forget()
            self._problem = str(error)
            self._pause = Deadline.after(self._retry, self._clock)
            self._keep()
            return
        self._live.saved()
        self._due = Deadline.after(self._at_most, self._clock)
        self._pause, self._problem = None, ""
        self._forget_spool()
        if not self._delivered:
            self._delivered = True
            self._notes += deliver_pending(self._store, now=self._now)

    # -- what could not be written -----------------------------------------------------

    def _keep(self) -> None:
        try:
            self._spooled = spool_flight(
                self._store.url.spool, self._about, self._store.url.shown, self._flight
            )
        except (OSError, XenflightError) as error:
            self._spooled = None
            self._problem += f"; nor can it be kept for later: {error}"

    def _forget_spool(self) -> None:
        if self._spooled:
            self._spooled.unlink(missing_ok=True)
            self._spooled = None

    def _told(self) -> str:
        text = f"not in the history: {self._problem}"
        if self._spooled:
            return (
                f"{text}; kept in {self._spooled}: the next run delivers it, or xenflight db import"
            )
        return f"{text}; once that is mended: xenflight db import {self._flight.path}"
