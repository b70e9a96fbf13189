"""Jobs that wait before their first step: the operator is told what for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

EVERY = timedelta(seconds=2)
"""How often to look: a worker writes down what it waits for, and nobody is told."""

Show = Callable[[str, str], None]
Awaits = Callable[[str], str]


class WaitingJobs:
    """Shows of each job that runs what it waits for. May be used by any thread.

    *awaits* says what a job waits for, empty when for nothing; *show* is told when that changes.
    """

    def __init__(self, show: Show, awaits: Awaits) -> None:
        self._show = show
        self._awaits = awaits
        self._lock = threading.Lock()
        self._shown: dict[str, str] = {}
        """Of the jobs whose step runs."""
        self._stopping = threading.Event()
        self._watch: threading.Thread | None = None

    def watch(self, every: timedelta = EVERY) -> None:
        """Look again and again, in a thread, until `stop`."""

        def run() -> None:
            while not self._stopping.wait(every.total_seconds()):
                self.look()

        self._watch = threading.Thread(target=run, name="waiting jobs", daemon=True)
        self._watch.start()

    def stop(self) -> None:
        """Look no more; harmless twice, and without `watch`."""
        self._stopping.set()
        if self._watch:
            self._watch.join()

    def begin(self, job: str) -> None:
        """A step of *job* begins."""
        with self._lock:
            self._shown[job] = ""
        self.look()

    def end(self, job: str) -> None:
        """A step of *job* is over: whatever it waited for, it does so no more."""
        with self._lock:
            self._shown.pop(job, None)

    def look(self) -> None:
        """Look at all of them again."""
        with self._lock:
            for job, shown in self._shown.items():
                now = self._awaits(job)
                if now != shown:
                    self._shown[job] = now
                    self._show(job, f"waiting for {now}" if now else "")
