"""A lab without hosts, for tests of the plugin and of suites: it writes down what is done to it.

The log is a file, because several processes write to it: a line a deed, such as
``make JOB``, ``note JOB TEXT``, ``remove JOB``, ``sweep``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import LabError
from harness.flight.plan import Plan
from harness.job.outcomes import ImageOutcomes, image_for
from harness.job.prepared import JobFacts, Prepared, PreparedImage
from harness.progress import Progress
from harness.results.layout import FlightDirectory
from harness.results.recorder import FlightRecorder
from harness.steps import StepRecord


@dataclass(frozen=True, kw_only=True)
class FakeLab:
    """A `harness.job.lab.Lab`. What goes wrong in it is said beforehand."""

    log: Path
    broken: str = ""
    """Why no job can run at all."""
    broken_images: Mapping[str, str] = field(default_factory=dict)
    """Why a job has no image."""
    late_images: Mapping[str, str] = field(default_factory=dict)
    """For a job the other one after whose removal its image is ready."""
    skips: Mapping[str, str] = field(default_factory=dict)
    """Why the host cannot run a job."""
    stuck: Mapping[str, str] = field(default_factory=dict)
    """Why a job's guest can't be removed."""

    def flight(
        self, plan: Plan, directory: Path, recorder: FlightRecorder, progress: Progress
    ) -> FakeKeeper:
        """See `Lab.flight`."""
        return FakeKeeper(self, plan, directory, recorder, progress)

    def guests(self, plan: Plan, files: FlightDirectory) -> FakeGuests:
        """See `Lab.guests`."""
        del plan
        return FakeGuests(self, files)

    def say(self, *words: str) -> None:
        """Add a line to the log."""
        with self.log.open("a", encoding="utf-8") as log:
            log.write(" ".join(words) + "\n")

    @property
    def said(self) -> list[str]:
        """The log so far."""
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


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
        prepared = Prepared(
            flight_id=self._plan.flight_id,
            images={job: job for job in jobs},
            skips=dict(lab.skips),
            controller=os.getpid(),
            broken=lab.broken,
        )
        prepared.write(self._directory)
        for job in jobs:
            if job not in lab.late_images:
                image = PreparedImage(broken=lab.broken_images.get(job, ""))
                self._outcomes.write(job, image)

    def awaits_image(self, job: str) -> bool:
        """See `FlightKeeper.awaits_image`."""
        return job in self._lab.late_images and self._outcomes.find(job) is None

    def sweep(self, *, aborted: bool) -> None:
        """See `FlightKeeper.sweep`."""
        deeds = [line.split() for line in self._lab.said]
        made = {words[1] for words in deeds if words[0] == "make"}
        left = sorted(made - {words[1] for words in deeds if words[0] in ("remove", "keep")})
        self._lab.say("sweep", *left)
        if left and not aborted:
            self._recorder.problem(f"left behind by this flight, and removed: {', '.join(left)}")

    def close(self) -> None:
        """See `FlightKeeper.close`."""
        self._lab.say("close")

    def how_to_reach(self, job: str, facts: JobFacts) -> str:
        """See `FlightKeeper.how_to_reach`."""
        return f"kept: {job} is {facts.runvars['domain']}"


class FakeGuests:
    """A `GuestMaker`."""

    def __init__(self, lab: FakeLab, files: FlightDirectory) -> None:
        self._lab = lab
        self._files = files

    def make(self, job: str, step: StepRecord) -> FakeGuest:
        """See `GuestMaker.make`."""
        directory = self._files.path
        image_for(job, Prepared.read(directory), directory, step)
        self._lab.say("make", job)
        return FakeGuest(self._lab, job, ImageOutcomes(directory))

    def close(self) -> None:
        """See `GuestMaker.close`."""


class FakeGuest:
    """A `Guest`; suites under test call `note`."""

    def __init__(self, lab: FakeLab, job: str, outcomes: ImageOutcomes) -> None:
        self.step = StepRecord(job=job, testid="none")
        self._outcomes = outcomes
        self._lab = lab
        self._job = job

    def note(self, text: str) -> None:
        """Something is done with it."""
        self._lab.say("note", self._job, text)
        self.step.facts["noted"] = text

    def remove(self) -> None:
        """See `Guest.remove`."""
        if self._job in self._lab.stuck:
            self._lab.say("stuck", self._job)
            raise LabError(self._lab.stuck[self._job])
        self._lab.say("remove", self._job)
        for job, after in self._lab.late_images.items():
            if after == self._job:
                self._outcomes.write(job, PreparedImage())

    def keep(self) -> bool:
        """See `Guest.keep`."""
        self._lab.say("keep", self._job)
        return True

    def close(self) -> None:
        """See `Guest.close`."""

    def facts(self, *, kept: bool) -> JobFacts:
        """See `Guest.facts`."""
        return JobFacts(kept=kept, waits={"guest": 1.0}, runvars={"domain": f"fake-{self._job}"})
