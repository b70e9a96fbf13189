"""The real lab: Xen hosts, reached over SSH."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.flight.axes import Virt
from harness.flight.model import JobSpec
from harness.flight.plan import Plan
from harness.host.capabilities import Capabilities
from harness.host.xenhost import XenHost
from harness.job.flight import FlightRun
from harness.job.guest import GuestUnderTest
from harness.job.outcomes import image_for
from harness.job.prepared import Prepared
from harness.progress import Progress
from harness.results.layout import FlightDirectory
from harness.results.recorder import FlightRecorder
from harness.steps import StepRecord


class RealLab:
    """A `harness.job.lab.Lab` of real hosts."""

    def __init__(self) -> None:
        self._run: FlightRun | None = None

    def flight(
        self, plan: Plan, directory: Path, recorder: FlightRecorder, progress: Progress
    ) -> FlightRun:
        """See `Lab.flight`."""
        self._run = FlightRun(plan, directory, recorder, progress)
        return self._run

    def guests(self, plan: Plan, files: FlightDirectory) -> RealGuests:
        """See `Lab.guests`."""
        return RealGuests(plan, files, self._run)


class RealGuests:
    """The guests of one process, and its one connection to the host.

    In the controller that is the connection of *run*, which is not ours to close.
    """

    def __init__(self, plan: Plan, files: FlightDirectory, run: FlightRun | None = None) -> None:
        self._plan = plan
        self._files = files
        self._run = run
        self._host: XenHost | None = None

    def make(self, job: str, step: StepRecord) -> GuestUnderTest:
        """See `GuestMaker.make`."""
        prepared = Prepared.read(self._files.path)
        image = image_for(job, prepared, self._files.path, step)
        spec = next(spec for spec in self._plan.jobs if spec.name == job)
        return GuestUnderTest(
            spec=spec,
            plan=self._plan,
            host=as_fast_as(spec, self._connected(prepared), prepared.capabilities),
            image=image,
            secrets=prepared.secrets,
            files=self._files.job(job),
            capabilities=prepared.capabilities,
        )

    def close(self) -> None:
        """See `GuestMaker.close`."""
        if self._host:
            self._host.close()
            self._host = None

    def _connected(self, prepared: Prepared) -> XenHost:
        shared = self._run.host if self._run else None
        if shared and shared.runner.alive:
            return shared
        if self._host is None or not self._host.runner.alive:
            self._host = XenHost.connect(self._plan.host, prepared.endpoint)
        return self._host


def as_fast_as(spec: JobSpec, host: XenHost, capabilities: Capabilities) -> XenHost:
    """*host* with the patience that the guest of *spec* needs on it."""
    if spec.virt is Virt.PV or capabilities.hvm_slowdown == 1:
        return host
    return replace(host, timeout_factor=host.timeout_factor * capabilities.hvm_slowdown)
