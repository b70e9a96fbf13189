"""A job was broken on the host: a canary tells whether other jobs may begin there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from harness.errors import LabError
from harness.flight.hostcare import CanaryWhen
from harness.flight.model import HostSpec
from harness.flight.plan import Plan
from harness.host.drain import drain
from harness.host.health import EventKind, HealthEvent, Verdict
from harness.host.kept import host_time
from harness.host.slots import whoami
from harness.job.canary import Canary, CanaryResult, Occasion
from harness.job.care import CareAnswer, CareRequest
from harness.job.hostwatch import HostWatch, HostWays
from harness.progress import Progress
from harness.results.recorder import FlightRecorder

CanaryMaker = Callable[[Path], Canary]


class Proving:
    """Sends a canary to the host of *spec*, and drains the host if that fails."""

    def __init__(
        self,
        spec: HostSpec,
        plan: Plan,
        directory: Path,
        recorder: FlightRecorder,
        progress: Progress,
        *,
        watch: HostWatch,
        ways: HostWays,
        canary: CanaryMaker | None = None,
    ) -> None:
        self._spec = spec
        self._plan = plan
        self._name = spec.name
        self._directory = directory
        self._recorder = recorder
        self._progress = progress
        self._watch = watch
        self._ways = ways
        self._make = canary or (lambda path: Canary(spec, ways.connect, path))
        self._count = 0
        self._running: Canary | None = None
        self._stopped = False

    @property
    def longest(self) -> timedelta:
        """How long an answer may take."""
        return self._make(self._directory).longest

    def stop(self) -> None:
        """End a canary that runs, from another thread; also one that is about to."""
        self._stopped = True
        if running := self._running:
            running.stop()

    def answer(self, request: CareRequest) -> CareAnswer:
        """Whether the host is well, as far as a canary can tell."""
        self._watch.note(self._broken(request))
        if self._spec.canary.when is CanaryWhen.NEVER:
            return CareAnswer(said="hosts.yaml wants no canary")
        self._progress(f"{request.job} was broken on {self._name}: is that well?")
        self._count += 1
        canary = self._running = self._make(self._directory / f"canary-{self._count}")
        if self._stopped:
            canary.stop()
        try:
            found = canary.check(Occasion())
        finally:
            self._running = None
        self._progress(f"canary on {self._name}: {found.verdict}: {found.reason}")
        if found.verdict is Verdict.FAIL:
            return self._drain(request, found)
        return CareAnswer(said=f"canary: {found.verdict}: {found.reason}")

    def _drain(self, request: CareRequest, found: CanaryResult) -> CareAnswer:
        """No job shall begin there, on any controller; nor of this flight, if it can't be told."""
        what = "a canary failed" if found.ran else "no canary could be run"
        reason = f"{what} ({found.reason}) after {request.job} was broken"
        done = "was drained"
        try:
            host = self._ways.connect()
            try:
                since = host_time(host.runner)
                drain(host.runner, by=f"{whoami()} (canary)", reason=reason, since=since)
            finally:
                host.close()
        except LabError:
            done = "is not well, and could not be drained"
        self._recorder.problem(f"{self._name} {done}: {reason}")
        return CareAnswer(said=reason, unusable=f"{self._name} {done}: {reason}")

    def _broken(self, request: CareRequest) -> HealthEvent:
        return HealthEvent(
            kind=EventKind.BROKEN,
            by=whoami(),
            boot=self._watch.boot,
            flight=self._plan.flight_id,
            job=request.job,
            reason=request.why,
        )
