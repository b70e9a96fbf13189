"""What jobs ask about the hosts, found in one place for all hosts of a flight."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from harness.job.care import CARE, HostCare
from harness.wait import SYSTEM_CLOCK, Repetition

TICK = timedelta(milliseconds=500)
"""How often it is looked whether a job wants something."""
_STOP = timedelta(seconds=30)


class Tended(Protocol):
    """Who looks after a host; `harness.job.hostrun.HostRun` does."""

    def tend(self, *, asked: bool) -> None:
        """It may be time to look; *asked*: a job wants something. Returns at once."""
        ...


class CareDesk:
    """Looks for all of them at once: a look of each by itself is as many a second as there are
    hosts, while as a rule nobody has ever wanted anything."""

    def __init__(self, directory: Path, hosts: Mapping[str, Tended]) -> None:
        self._place = directory / CARE
        self._hosts = {name: (HostCare(directory, name), host) for name, host in hosts.items()}
        self._stopping = threading.Event()
        self._service: Repetition | None = None

    def begin(self) -> None:
        """From now on. Returns at once."""
        self._service = SYSTEM_CLOCK.repeat(self._turn, TICK, "host care")

    def stop(self) -> None:
        """No more; harmless twice."""
        self._stopping.set()
        if self._service:
            self._service.join(_STOP)

    def _turn(self, patience: timedelta) -> bool:
        if self._stopping.is_set():
            return False
        # Nothing that anybody ever asked: no directory.
        any_asked = self._place.is_dir()
        for care, host in self._hosts.values():
            host.tend(asked=any_asked and bool(care.pending()))
        return not self._stopping.wait(patience.total_seconds())
