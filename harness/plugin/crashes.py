"""Jobs whose worker died: they begin anew once, on another worker."""

from __future__ import annotations

from harness.job.placed import Placements
from harness.plugin.state import FlightState


class Crashes:
    """In the controller of the flight of *state*."""

    def __init__(self, state: FlightState) -> None:
        self._state = state
        self._hosts: dict[str, tuple[str, ...]] = {}
        """Of jobs that crashed, where that was."""
        self._told: set[str] = set()

    def begins_anew(self, job: str, host: str | None) -> bool:
        """Whether *job* does, which was sent to *host*; its files are then out of the way.

        Once only: a job that kills two workers would kill a third. What died is no verdict on the
        guest, so no share of the flight's jobs bounds it, as it does what the lab broke
        (`harness.plugin.retry`); who wants nothing tried again gets nothing.
        """
        if self._state.fail_fast.why:
            return False
        if not self._state.plan.retry or job in self._hosts or job not in self._state.names:
            return False
        # It may have gone elsewhere than it was sent.
        placed = Placements(self._state.files.path).find(job)
        where = (*((placed.host, placed.peer) if placed else ()), host)
        try:
            self._state.files.job(job).put_by()
        except OSError:
            return False
        self._hosts[job] = tuple(dict.fromkeys(name for name in where if name))
        return True

    def hosts(self, job: str) -> tuple[str, ...]:
        """Where a worker died that ran *job*."""
        return self._hosts.get(job, ())

    def tell(self, job: str) -> bool:
        """Whether *job* begins anew after a crash that nobody was told of yet; each only once."""
        fresh = job in self._hosts and job not in self._told
        self._told.add(job)
        return fresh
