"""What the plugin needs of a lab: `harness.job.real` is the real one, `harness.job.fake` a fake."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from harness.flight.plan import Plan
from harness.job.prepared import JobFacts
from harness.progress import Progress
from harness.results.layout import FlightDirectory
from harness.results.model import EvidenceResult, StepResult
from harness.results.recorder import FlightRecorder
from harness.steps import StepRecord


class Guest(Protocol):
    """One job's guest, as far as the plugin has to do with it; suites know more of it."""

    step: StepRecord
    """The step that uses it now."""

    def capture(self, culprit: StepResult) -> EvidenceResult:
        """Take evidence of a step that did not pass, while all is there still.

        Bounded, and nothing is removed by it. What goes wrong is in the result, as far as can be.
        """
        ...

    def remove(self) -> None:
        """Remove all of it from the host; `LabError` names what would not go."""
        ...

    def keep(self) -> bool:
        """Leave it on the host for its operator; False when there is nothing to leave."""
        ...

    def close(self) -> None:
        """Let go of it; never raises."""
        ...

    def check_leaks(self) -> Future[StepResult]:
        """Begin to look for what it left on the host, after `close`. Returns at once.

        The result is the step `harness.steps.LEAK_CHECK`.
        """
        ...

    def facts(self, *, kept: bool) -> JobFacts:
        """What is known of it, for the results."""
        ...


class GuestMaker(Protocol):
    """Makes guests in one process of a flight."""

    def make(self, job: str, step: StepRecord) -> Guest:
        """The guest of *job*, not yet on the host; a wait for its image is a phase of *step*.

        `LabError` when the lab can't have it.
        """
        ...

    def over(self, job: str, *, passed: bool, fault: str = "") -> None:
        """The guest of *job* is gone. *fault*: what was the lab's, while it had the host.

        Never raises.
        """
        ...

    def close(self) -> None:
        """Let go of the host; never raises."""
        ...


class FlightKeeper(Protocol):
    """Makes the host ready for a flight, and cleans up behind it. In the controller only."""

    def prepare(self) -> None:
        """Have the host ready and the images begun, and write `Prepared` for all processes.

        What the lab could not do is written there; only what can't be written is raised.
        """
        ...

    def awaits(self, job: str) -> str:
        """What *job* waits for before its first step, empty when for nothing: ``its image``.

        May be asked by any thread.
        """
        ...

    def sweep(self, *, aborted: bool) -> None:
        """Remove what the flight left on the host. `LabError` names what would not go.

        What is on the host after that is checked for leaks, into the flight's results.
        """
        ...

    def close(self) -> None:
        """Let go of the host, and forget the flight's secrets; harmless twice."""
        ...

    def how_to_reach(self, job: str, facts: JobFacts) -> str:
        """Words for the operator who asked to keep a guest; its secrets then stay."""
        ...


class Lab(Protocol):
    """Where a flight's guests live."""

    def flight(
        self, plan: Plan, directory: Path, recorder: FlightRecorder, progress: Progress
    ) -> FlightKeeper:
        """For the controller. *directory* is the flight's own, for its results."""
        ...

    def guests(self, plan: Plan, files: FlightDirectory) -> GuestMaker:
        """For every process that runs steps."""
        ...
