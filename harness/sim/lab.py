"""A lab of simulated hosts: the real lab, on other ways."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from harness.errors import LabError
from harness.flight.plan import Plan
from harness.job.lab import FlightKeeper
from harness.job.prepared import JobFacts
from harness.job.real import RealLab, RealSubjects
from harness.progress import Progress
from harness.results.layout import FlightDirectory
from harness.results.model import HostFacts
from harness.results.recorder import FlightRecorder
from harness.sim.world import KIND, SimWorld
from harness.wait import SYSTEM_CLOCK


class SimLab:
    """A `harness.job.lab.Lab`. From the begin of a flight to its end the process goes by the
    clock of *world*; all of the flight must be in this process."""

    def __init__(self, world: SimWorld | None = None) -> None:
        self.world = world or SimWorld()
        self._real = RealLab(self.world.ways())
        self._driven = ExitStack()

    def flight(
        self, plan: Plan, directory: Path, recorder: FlightRecorder, progress: Progress
    ) -> SimFlight:
        """See `Lab.flight`."""
        self.close()
        # Before anything can go wrong: no result shall look like a real one.
        for spec in plan.hosts:
            recorder.host_known(HostFacts(name=spec.name, kind=KIND))
        self._driven.enter_context(SYSTEM_CLOCK.driven_by(self.world.clock))
        return SimFlight(self._real.flight(plan, directory, recorder, progress), self)

    def guests(self, plan: Plan, files: FlightDirectory) -> RealSubjects:
        """See `Lab.guests`."""
        if not self.world.hosts:
            msg = "a simulated host is in the memory of one process: run without -n"
            raise LabError(msg)
        return self._real.guests(plan, files)

    def close(self) -> None:
        """Give the process its own time back; harmless twice."""
        self._driven.close()


class SimFlight:
    """A `FlightKeeper`: the real one, and the clock."""

    def __init__(self, run: FlightKeeper, lab: SimLab) -> None:
        self._run = run
        self._lab = lab

    def prepare(self) -> None:
        """See `FlightKeeper.prepare`."""
        self._run.prepare()

    def awaits(self, job: str) -> str:
        """See `FlightKeeper.awaits`."""
        return self._run.awaits(job)

    def sweep(self, *, aborted: bool) -> None:
        """See `FlightKeeper.sweep`."""
        self._run.sweep(aborted=aborted)

    def close(self) -> None:
        """See `FlightKeeper.close`."""
        try:
            self._run.close()
        finally:
            self._lab.close()

    def how_to_reach(self, job: str, facts: JobFacts) -> str:
        """See `FlightKeeper.how_to_reach`."""
        return self._run.how_to_reach(job, facts)
