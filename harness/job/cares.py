"""The hosts of a flight, as one of its processes sees that they are looked after."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from harness.errors import LabError, Starved
from harness.job.afterboot import HostRescue
from harness.job.care import CareRequest, HostCare, Want
from harness.job.evidence import Reconnect
from harness.job.prepared import Prepared
from harness.job.slot import WaitingNotes
from harness.steps import StepRecord
from harness.wait import SYSTEM_CLOCK


class HostCares:
    """The care of all hosts of the flight in *directory*, which *prepared* was made ready."""

    def __init__(self, directory: Path, prepared: Prepared) -> None:
        self._directory = directory
        self._prepared = prepared

    def well(self, job: str, names: Iterable[str], step: StepRecord) -> list[str]:
        """Those of the hosts *names* on which *job* may begin, at least one.

        Where something is done about all of them, it waits, as a phase of *step*. `Starved` when
        all were found ill.
        """
        wanted = list(names)
        if found := self.fit(wanted):
            return found
        why: list[str] = []
        for name in wanted:
            try:
                self._settle(job, self._of(name), step)
            except Starved as error:
                why.append(error.message)
            else:
                return [name]
        raise Starved("; ".join(why))

    def fit(self, names: Iterable[str]) -> list[str]:
        """Those of *names* about which nothing is to be done, and that were not found ill."""
        cares = {name: self._of(name) for name in names}
        quiet = [name for name, care in cares.items() if not care.pending()]
        return [name for name in quiet if not cares[name].unusable]

    def suspect(self, job: str, host: str, fault: str) -> None:
        """Have *host* proved well, or not, before another job begins there."""
        if self._prepared.hosts[host].care:
            with suppress(LabError):
                request = CareRequest(
                    want=Want.CANARY, job=job, why=fault, at=SYSTEM_CLOCK.time_of_day()
                )
                self._of(host).ask(request)

    def rescue(self, job: str, host: str, since: float, again: Reconnect) -> HostRescue | None:
        """For *job*, which uses *host* since that time; None where nobody looks after it."""
        bound = self._prepared.hosts[host].care_bound
        if not bound:
            return None
        return HostRescue(
            care=self._of(host),
            controller=self._prepared.controller,
            bound=bound,
            job=job,
            since=since,
            again=again,
            now=SYSTEM_CLOCK.time_of_day,
        )

    def _of(self, host: str) -> HostCare:
        return HostCare(self._directory, host)

    def _settle(self, job: str, care: HostCare, step: StepRecord) -> None:
        notes, awaits = WaitingNotes(self._directory), care.awaits()
        if awaits:
            notes.write(job, awaits)
        try:
            bound = self._prepared.hosts[care.host].care_bound
            care.settle(self._prepared.controller, bound, step)
        finally:
            if awaits:
                notes.write(job, "")
