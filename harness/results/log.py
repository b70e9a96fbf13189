"""Events added up: the result of a flight at any moment of it.

The file of events is the truth: ``results.json`` is always what `FlightLog.result` makes of
it, so a flight whose controller was killed can be read up to its last line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from harness.results.events import (
    Event,
    FlightChecked,
    FlightEnded,
    FlightHeader,
    FlightStarted,
    HostKnown,
    ImageReady,
    JobEnded,
    JobRetried,
    PlannedJob,
    Problem,
    StepFinished,
    StepStarted,
)
from harness.results.layout import earlier_path
from harness.results.model import (
    AttemptResult,
    FlightResult,
    HostFacts,
    ImageFacts,
    JobResult,
    StepResult,
    UtcTime,
)
from harness.results.rules import HARMLESS, complete, first_bad, flight_status, job_status, worse
from harness.status import Status, worst
from harness.steps import LEAK_CHECK


@dataclass(kw_only=True)
class JobLog:
    """What the events say about one job so far."""

    planned: PlannedJob
    steps: dict[str, StepResult] = field(default_factory=dict)
    begun: dict[str, UtcTime] = field(default_factory=dict)
    started: UtcTime | None = None
    latest: UtcTime | None = None
    ended: JobEnded | None = None
    attempts: list[AttemptResult] = field(default_factory=list)

    def seen(self, at: UtcTime) -> None:
        """Something happened to the job at that time."""
        self.started = min(self.started or at, at)
        self.latest = max(self.latest or at, at)

    def finished(self, step: StepResult) -> None:
        """Take in a step's result."""
        old = self.steps.get(step.testid)
        self.steps[step.testid] = worse(old, step) if old else step

    def again(self) -> None:
        """All that was told is an attempt of its own; it begins anew."""
        self.attempts.append(_attempt(self.result(), len(self.attempts) + 1))
        self.steps, self.begun = {}, {}
        self.started = self.latest = self.ended = None

    def result(self) -> JobResult:
        """The job as it would be judged if nothing more came."""
        planned = self.planned
        steps = complete(planned.steps, self.steps, self.begun)
        status = job_status(steps)
        if self.ended is None and len(steps) > len(self.steps):
            status = Status.ABORTED
        facts = {key: value for step in steps for key, value in step.facts.items()}
        length = (self.latest - self.started).total_seconds() if self.latest and self.started else 0
        return JobResult(
            name=planned.name,
            suite=planned.suite,
            dist=planned.dist,
            arch=planned.arch,
            virt=planned.virt,
            boot=planned.boot,
            status=status,
            reason=_reason(status, steps),
            steps=steps,
            runvars={**planned.runvars, **facts, **(self.ended.runvars if self.ended else {})},
            console_log=planned.console_log,
            host=self.ended.host if self.ended else None,
            started=self.started,
            duration=length,
            kept=self.ended is not None and self.ended.kept,
            waits=self.ended.waits if self.ended else {},
            evidence=self.ended.evidence if self.ended else None,
            attempts=tuple(self.attempts),
        )


class FlightLog:
    """Adds events up. Begin with the header, then `add` each event in order."""

    def __init__(self, header: FlightHeader) -> None:
        self.header = header
        self.hosts: dict[str, HostFacts] = {}
        self.images: dict[str, ImageFacts] = {}
        self.problems: list[str] = []
        self.leak_check: StepResult | None = None
        self.latest = header.started
        self.ended: FlightEnded | None = None
        self.jobs = {planned.name: JobLog(planned=planned) for planned in header.jobs}

    def add(self, event: Event) -> None:
        """Take in one event; `ValueError` when it is about a job that was not planned."""
        self.latest = max(self.latest, event.at)
        match event:
            case FlightStarted():
                pass
            case HostKnown():
                self.hosts[event.host.name] = event.host
            case ImageReady():
                self.images[event.image.key] = event.image
            case StepStarted():
                self._job(event.job, event.at).begun[event.testid] = event.at
            case StepFinished() if event.step.testid == LEAK_CHECK:
                # Made beside the next job, and told when there is somebody to tell it: no part of
                # the time that this one took.
                self._job(event.job).finished(event.step)
            case StepFinished():
                self._job(event.job, event.step.started or event.at)
                self._job(event.job, event.at).finished(event.step)
            case JobEnded():
                self._job(event.job, event.at).ended = event
            case JobRetried():
                self._job(event.job, event.at).again()
            case Problem():
                self.problems.append(event.text)
            case FlightChecked():
                self.leak_check = event.leak_check
            case FlightEnded():
                self.ended = event
            case _:
                assert_never(event)

    def _job(self, name: str, at: UtcTime | None = None) -> JobLog:
        if name not in self.jobs:
            msg = f"flight {self.header.flight_id} has no job {name!r}"
            raise ValueError(msg)
        if at:
            self.jobs[name].seen(at)
        return self.jobs[name]

    def result(self) -> FlightResult:
        """The flight as it would be judged if nothing more came."""
        header = self.header
        jobs = tuple(log.result() for log in self.jobs.values())
        status = flight_status(jobs, problems=bool(self.problems), ended=self.ended is not None)
        if self.leak_check and self.leak_check.status not in HARMLESS:
            status = worst((status, self.leak_check.status))
        if self.ended and self.ended.status:
            status = worst((status, self.ended.status))
        return FlightResult(
            flight_id=header.flight_id,
            flight=header.flight,
            status=status,
            started=header.started,
            ended=self.ended.at if self.ended else None,
            duration=max(0.0, (self.latest - header.started).total_seconds()),
            harness_version=header.harness_version,
            revision=header.revision,
            hosts=tuple(self.hosts.values()),
            images=tuple(self.images.values()),
            jobs=jobs,
            command=header.command,
            problems=tuple(self.problems),
            leak_check=self.leak_check,
        )


def _attempt(job: JobResult, number: int) -> AttemptResult:
    """What becomes of *job* when it is tried again; its files are in a directory of their own."""
    evidence = job.evidence
    if evidence and evidence.index:
        evidence = evidence.model_copy(update={"index": earlier_path(evidence.index, number)})
    return AttemptResult(
        status=job.status,
        reason=job.reason,
        steps=job.steps,
        host=job.host,
        started=job.started,
        duration=job.duration,
        runvars=job.runvars,
        console_log=earlier_path(job.console_log, number) if job.console_log else None,
        evidence=evidence,
    )


def _reason(status: Status, steps: tuple[StepResult, ...]) -> str | None:
    """Why a job is no `pass`: what its first bad step says, or why none of it could run."""
    if bad := first_bad(steps):
        return f"{bad.testid}: {bad.reason or bad.status}"
    return steps[0].reason if status is Status.SKIP and steps else None
