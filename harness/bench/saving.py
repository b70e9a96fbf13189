"""A flight on its way into a store, on the main line: what that costs can then be told."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from harness.results.events import Event
from harness.store.about import About
from harness.store.live import LiveFlight
from harness.store.store import Store
from harness.store.writer import AT_MOST
from harness.wait import SYSTEM_CLOCK


class Saver:
    """An `EventSink` that saves as often as `harness.store.writer.StoreWriter` would."""

    def __init__(self, store: Store, about: About, now: Callable[[], datetime]) -> None:
        self._store = store
        self._live = LiveFlight(about)
        self._now = now
        self._due = 0.0
        self.cpu = 0.0
        """Seconds, so far."""

    def took(self, event: Event) -> None:
        """Hear of an event; it is in the store soon."""
        began = time.thread_time()
        self._live.took(event)
        if SYSTEM_CLOCK.monotonic() >= self._due:
            self._save()
            self._due = SYSTEM_CLOCK.monotonic() + AT_MOST.total_seconds()
        self.cpu += time.thread_time() - began

    def close(self) -> None:
        """All of it."""
        began = time.thread_time()
        self._live.forget()
        self._save()
        self.cpu += time.thread_time() - began

    def _save(self) -> None:
        with self._store.writing(make=True) as connection:
            self._live.save(connection, self._now())
        self._live.saved()
