"""The guests of one process, from the first step of a job to its teardown."""

from __future__ import annotations

from pydantic import BaseModel

from harness.errors import LabError
from harness.flight.axes import Keep
from harness.job.lab import Guest, GuestMaker
from harness.job.outcomes import PHASE
from harness.job.prepared import JobFacts
from harness.steps import StepRecord


class LastWords(BaseModel):
    """What became of guests that were still there when their process ended."""

    facts: dict[str, JobFacts] = {}
    """By job."""
    problems: list[str] = []


class Guests:
    """Makes each guest when its first step asks for it, and knows it until its teardown."""

    def __init__(self, maker: GuestMaker, keep: Keep) -> None:
        self._maker = maker
        self._keep = keep
        self._guests: dict[str, Guest] = {}
        self._facts: dict[str, JobFacts] = {}
        self._waited: dict[str, float] = {}

    def get(self, step: StepRecord) -> Guest:
        """The guest of the job of *step*. `LabError` when the lab can't have one.

        The first step of a job may have to wait for its image; that is a phase of the step.
        """
        job = step.job
        if job not in self._guests:
            self._guests[job] = self._maker.make(job, step)
            waited = sum(phase.duration for phase in step.phases if phase.name == PHASE)
            self._waited[job] = round(waited, 2)
        return self._guests[job]

    def at_step(self, step: StepRecord) -> None:
        """From now on the job's guest, if there is one, is used by *step*."""
        if guest := self._guests.get(step.job):
            guest.step = step

    def tear_down(self, job: str, *, failed: bool) -> None:
        """The job is over: remove its guest, unless it is to be kept."""
        guest = self._guests.pop(job, None)
        if guest is None:
            return
        kept = False
        try:
            if self._keep is Keep.ALWAYS or (self._keep is Keep.ON_FAILURE and failed):
                kept = guest.keep()
            if not kept:
                guest.remove()
        finally:
            guest.close()
            facts = guest.facts(kept=kept)
            if waited := self._waited.get(job):
                facts = facts.model_copy(update={"waits": {PHASE: waited, **facts.waits}})
            self._facts[job] = facts

    def facts(self, job: str) -> JobFacts:
        """What is known of a job that is over; little when it never had a guest."""
        return self._facts.get(job, JobFacts())

    def close(self) -> LastWords:
        """Tear down what is left after an interrupt, and let go of the host."""
        words = LastWords()
        try:
            for job in list(self._guests):
                try:
                    self.tear_down(job, failed=True)
                except LabError as error:
                    words.problems.append(f"teardown of {job}: {error}")
                words.facts[job] = self.facts(job)
        finally:
            self._maker.close()
        return words
