"""A lab without hosts, for tests of the plugin and of suites: it writes down what is done to it.

The log is a file, because several processes write to it: a line a deed, such as
``make JOB``, ``note JOB TEXT``, ``remove JOB``, ``sweep``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Timer

from harness.errors import LabError, Starved
from harness.flight.plan import Plan
from harness.job.outcomes import ITS_IMAGE, ImageOutcomes, image_for
from harness.job.prepared import JobFacts, Prepared, PreparedHost, PreparedImage
from harness.progress import Progress
from harness.results.layout import FlightDirectory
from harness.results.model import EvidenceResult, StepResult
from harness.results.recorder import FlightRecorder
from harness.status import Status
from harness.steps import LEAK_CHECK, StepRecord

_MOMENT = 0.5
"""Seconds."""


@dataclass(frozen=True, kw_only=True)
class FakeLab:
    """A `harness.job.lab.Lab`. What goes wrong in it is said beforehand."""

    log: Path
    broken: str = ""
    """Why no job can run at all."""
    starved: str = ""
    """Why no job may begin."""
    busy: Mapping[str, str] = field(default_factory=dict)
    """Why a job gets no slot in time."""
    broken_images: Mapping[str, str] = field(default_factory=dict)
    """Why a job has no image."""
    late_images: Mapping[str, str] = field(default_factory=dict)
    """For a job the other one after whose removal its image is ready."""
    skips: Mapping[str, str] = field(default_factory=dict)
    """Why the host cannot run a job."""
    stuck: Mapping[str, str] = field(default_factory=dict)
    """Why a job's guest can't be removed."""
    no_evidence: Mapping[str, BaseException] = field(default_factory=dict)
    """What comes, for a job, of taking evidence."""
    leaks: Mapping[str, str] = field(default_factory=dict)
    """What a job's guest leaves on the host, whatever is done to remove it."""
    unasked: Mapping[str, BaseException] = field(default_factory=dict)
    """Why the host can't be asked, after a job, what is left there."""
    late_checks: Mapping[str, str] = field(default_factory=dict)
    """For a job the other one after whose removal it is known what is left of it; none: a moment
    later, whatever happens meanwhile."""
    flight_leak: str = ""
    """What the whole flight leaves on the host."""

    def flight(
        self, plan: Plan, directory: Path, recorder: FlightRecorder, progress: Progress
    ) -> FakeKeeper:
        """See `Lab.flight`."""
        return FakeKeeper(self, plan, directory, recorder, progress)

    def guests(self, plan: Plan, files: FlightDirectory) -> FakeGuests:
        """See `Lab.guests`."""
        return FakeGuests(self, files, plan.hosts[0].name)

    def say(self, *words: str) -> None:
        """Add a line to the log."""
        with self.log.open("a", encoding="utf-8") as log:
            log.write(" ".join(words) + "\n")

    @property
    def said(self) -> list[str]:
        """The log so far."""
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


def leak_check(left: str) -> StepResult:
    """A leak check that found *left*; one that found nothing if that is empty."""
    return StepResult(
        testid=LEAK_CHECK,
        status=Status.BROKEN if left else Status.PASS,
        started=datetime.now(UTC),
        duration=0.5,
        failure_class="leak" if left else None,
        reason=f"left on the fake host: {left}" if left else None,
        evidence=f"left behind, ours:\n  + {left}" if left else "",
    )


class FakeKeeper:
    """A `FlightKeeper`; what is left is whatever was made and neither removed nor kept."""

    def __init__(
        self,
        lab: FakeLab,
        plan: Plan,
        directory: Path,
        recorder: FlightRecorder,
        progress: Progress,
    ) -> None:
        self._lab = lab
        self._plan = plan
        self._directory = directory
        self._outcomes = ImageOutcomes(directory)
        self._recorder = recorder
        self._progress = progress

    def prepare(self) -> None:
        """See `FlightKeeper.prepare`."""
        self._lab.say("prepare")
        self._progress("preparing the fake lab")
        lab = self._lab
        jobs = [job.name for job in self._plan.jobs if job.name not in lab.skips and not job.skip]
        host = self._plan.hosts[0].name
        prepared = Prepared(
            flight_id=self._plan.flight_id,
            hosts={host: PreparedHost(starved=lab.starved)},
            fits={} if lab.starved else dict.fromkeys(jobs, (host,)),
            images={job: job for job in jobs},
            skips=dict(lab.skips),
            controller=os.getpid(),
            broken=lab.broken,
        )
        prepared.write(self._directory)
        for job in jobs:
            if job not in lab.late_images:
                image = PreparedImage(broken=lab.broken_images.get(job, ""))
                self._outcomes.write(job, host, image)

    def awaits(self, job: str) -> str:
        """See `FlightKeeper.awaits`."""
        host = self._plan.hosts[0].name
        late = job in self._lab.late_images and self._outcomes.find(job, host) is None
        return ITS_IMAGE if late else ""

    def sweep(self, *, aborted: bool) -> None:
        """See `FlightKeeper.sweep`."""
        deeds = [line.split() for line in self._lab.said]
        made = {words[1] for words in deeds if words[0] == "make"}
        left = sorted(made - {words[1] for words in deeds if words[0] in ("remove", "keep")})
        self._lab.say("sweep", *left)
        if left and not aborted:
            self._recorder.problem(f"left behind by this flight, and removed: {', '.join(left)}")
        self._recorder.flight_checked(leak_check(self._lab.flight_leak))

    def close(self) -> None:
        """See `FlightKeeper.close`."""
        self._lab.say("close")

    def how_to_reach(self, job: str, facts: JobFacts) -> str:
        """See `FlightKeeper.how_to_reach`."""
        return f"kept: {job} is {facts.runvars['domain']}"


class FakeGuests:
    """A `GuestMaker`."""

    def __init__(self, lab: FakeLab, files: FlightDirectory, host: str) -> None:
        self._lab = lab
        self._files = files
        self._host = host
        self._late: dict[str, Future[StepResult]] = {}

    def make(self, job: str, step: StepRecord) -> FakeGuest:
        """See `GuestMaker.make`."""
        directory = self._files.path
        if job in self._lab.late_images:
            self._lab.say("want", job)
        image_for(job, Prepared.read(directory), directory, step)
        if job in self._lab.busy:
            raise Starved(self._lab.busy[job])
        self._lab.say("make", job)
        return FakeGuest(self._lab, job, ImageOutcomes(directory), self._host, self._late)

    def over(self, job: str, *, passed: bool, fault: str = "") -> None:
        """See `GuestMaker.over`."""
        del passed
        if fault:
            self._lab.say("suspect", job, fault)

    def close(self) -> None:
        """See `GuestMaker.close`."""


class FakeGuest:
    """A `Guest`; suites under test call `note`."""

    def __init__(
        self,
        lab: FakeLab,
        job: str,
        outcomes: ImageOutcomes,
        host: str,
        late: dict[str, Future[StepResult]],
    ) -> None:
        self._late = late
        self.step = StepRecord(job=job, testid="none")
        self._outcomes = outcomes
        self._host = host
        self._lab = lab
        self._job = job

    def note(self, text: str) -> None:
        """Something is done with it."""
        self._lab.say("note", self._job, text)
        self.step.facts["noted"] = text

    def capture(self, culprit: StepResult) -> EvidenceResult:
        """See `Guest.capture`."""
        self._lab.say("capture", self._job, culprit.testid, str(culprit.status))
        if self._job in self._lab.no_evidence:
            raise self._lab.no_evidence[self._job]
        return EvidenceResult(index=f"jobs/{self._job}/evidence/index.json", asked=2, had=2)

    def remove(self) -> None:
        """See `Guest.remove`."""
        if self._job in self._lab.stuck:
            self._lab.say("stuck", self._job)
            raise LabError(self._lab.stuck[self._job])
        self._lab.say("remove", self._job)
        for job, late in self._late.items():
            if self._lab.late_checks[job] == self._job:
                late.set_result(leak_check(self._lab.leaks.get(job, "")))
        for job, after in self._lab.late_images.items():
            if after == self._job:
                self._outcomes.write(job, self._host, PreparedImage())

    def keep(self) -> bool:
        """See `Guest.keep`."""
        self._lab.say("keep", self._job)
        return True

    def close(self) -> None:
        """See `Guest.close`."""

    def check_leaks(self) -> Future[StepResult]:
        """See `Guest.check_leaks`."""
        told: Future[StepResult] = Future()
        found = leak_check(self._lab.leaks.get(self._job, ""))
        if self._lab.late_checks.get(self._job):
            self._late[self._job] = told
        elif self._job in self._lab.late_checks:
            Timer(_MOMENT, told.set_result, [found]).start()
        elif self._job in self._lab.unasked:
            told.set_exception(self._lab.unasked[self._job])
        else:
            told.set_result(found)
        return told

    def facts(self, *, kept: bool) -> JobFacts:
        """See `Guest.facts`."""
        return JobFacts(
            host=self._host,
            kept=kept,
            waits={"guest": 1.0},
            runvars={"domain": f"fake-{self._job}"},
        )
