"""The guests of one process, from the first step of a job to its teardown."""

from __future__ import annotations

from concurrent.futures import Future, wait
from datetime import timedelta

from pydantic import BaseModel

from harness.errors import LabError
from harness.flight.axes import Keep
from harness.job import admission, care, outcomes, slot
from harness.job.lab import Guest, GuestMaker
from harness.job.leaks import not_made
from harness.job.prepared import JobFacts
from harness.plugin.outcome import TEARDOWN
from harness.results.model import EvidenceResult, StepResult
from harness.status import Status
from harness.steps import LEAK_CHECK, StepRecord
from harness.units import human_seconds

_WAITS = (outcomes.PHASE, care.PHASE, slot.PHASE, admission.PHASE)
"""The phases of a job's first step in which it waits, and does nothing."""
CHECK_TIMEOUT = timedelta(minutes=10)
"""A leak check has its own bounds, which add up to less: a connection, and a few commands."""
NO_GUEST = "it had no guest, and took nothing on a host"
_TELLING = (Status.FAIL, Status.BROKEN)


class LeakChecks(BaseModel):
    """Leak checks that are done, to be told by whatever goes to the controller next."""

    steps: dict[str, StepResult] = {}
    """By job."""


class LastWords(LeakChecks):
    """What became of guests that were still there when their process ended."""

    facts: dict[str, JobFacts] = {}
    """By job."""
    problems: list[str] = []


class Guests:
    """Makes each guest when its first step asks for it, and knows it until its teardown."""

    def __init__(
        self, maker: GuestMaker, keep: Keep, *, patience: timedelta = CHECK_TIMEOUT
    ) -> None:
        self._maker = maker
        self._keep = keep
        self._patience = patience
        self._guests: dict[str, Guest] = {}
        self._facts: dict[str, JobFacts] = {}
        self._waited: dict[str, dict[str, float]] = {}
        self._evidence: dict[str, EvidenceResult] = {}
        self._faults: dict[str, str] = {}
        self._checks: dict[str, Future[StepResult]] = {}

    def get(self, step: StepRecord) -> Guest:
        """The guest of the job of *step*. `LabError` when the lab can't have one.

        The first step of a job may have to wait for its image, for a slot and for what its guest
        takes, which are phases of the step. `Starved` when there was no room in time.
        """
        job = step.job
        if job not in self._guests:
            self._guests[job] = self._maker.make(job, step)
            self._waited[job] = {
                phase.name: round(phase.duration, 2)
                for phase in step.phases
                if phase.name in _WAITS
            }
        return self._guests[job]

    def at_step(self, step: StepRecord) -> None:
        """From now on the job's guest, if there is one, is used by *step*."""
        if guest := self._guests.get(step.job):
            guest.step = step

    def blame(self, job: str, error: BaseException) -> None:
        """A step of *job* ended with *error*: was that the lab's, while the guest was there?"""
        if job in self._guests and isinstance(error, LabError):
            self._faults.setdefault(job, str(error))

    def capture(self, job: str, culprit: StepResult) -> None:
        """Take evidence of the first step of *job* that did not pass, if there is a guest.

        Only once, and not after an interrupt: then its operator wants it to end. Nothing but a
        `KeyboardInterrupt` comes out: the step has its status, and the teardown is still to come.
        """
        guest = self._guests.get(job)
        if guest is None or job in self._evidence or culprit.status not in _TELLING:
            return
        self._evidence[job] = EvidenceResult(note="interrupted")
        try:
            self._evidence[job] = guest.capture(culprit)
        except Exception as error:  # noqa: BLE001 a bug here is no reason to leave a guest behind
            note = f"could not be taken: {type(error).__name__}: {error}"
            self._evidence[job] = EvidenceResult(note=note)

    def tear_down(self, job: str, *, failed: bool, hurried: bool = False) -> None:
        """The job is over: remove its guest, unless it is to be kept.

        One that would not go is evidence, too, and what is left is looked for, in the background;
        unless somebody waits for the end (*hurried*).
        """
        guest = self._guests.get(job)
        try:
            if guest:
                self._leave_and_tell(job, failed=failed, hurried=hurried)
        except Exception:
            self._check(job, guest, failed=failed, hurried=hurried)
            raise
        self._check(job, guest, failed=failed, hurried=hurried)

    def _leave_and_tell(self, job: str, *, failed: bool, hurried: bool) -> None:
        passed = False
        try:
            self._leave(job, failed=failed, hurried=hurried)
            passed = not failed
        except LabError as error:
            self.blame(job, error)
            raise
        finally:
            del self._guests[job]
            if not hurried:
                self._maker.over(job, passed=passed, fault=self._faults.get(job, ""))

    def _check(self, job: str, guest: Guest | None, *, failed: bool, hurried: bool) -> None:
        if hurried:
            return
        told: Future[StepResult] = Future()
        try:
            if guest:
                self._checks[job] = guest.check_leaks()
                return
            status = Status.BLOCKED if failed else Status.SKIP
            told.set_result(StepResult(testid=LEAK_CHECK, status=status, reason=NO_GUEST))
        except Exception as error:  # noqa: BLE001 a bug here is no fault of the step that was last
            told.set_exception(error)
        self._checks[job] = told

    def _leave(self, job: str, *, failed: bool, hurried: bool) -> None:
        guest = self._guests[job]
        kept = False
        try:
            if self._keep is Keep.ALWAYS or (self._keep is Keep.ON_FAILURE and failed):
                kept = guest.keep()
            if not kept:
                guest.remove()
        except LabError as error:
            if not hurried:
                stuck = StepResult(testid=TEARDOWN, status=Status.BROKEN, reason=str(error))
                self.capture(job, stuck)
            raise
        finally:
            guest.close()
            facts = guest.facts(kept=kept)
            if job in self._evidence:
                facts = facts.model_copy(update={"evidence": self._evidence[job]})
            if waited := self._waited.get(job):
                facts = facts.model_copy(update={"waits": {**waited, **facts.waits}})
            self._facts[job] = facts

    def facts(self, job: str) -> JobFacts:
        """What is known of a job that is over; little when it never had a guest."""
        return self._facts.get(job, JobFacts())

    def forget(self, job: str) -> None:
        """It begins anew: nothing is known of it any more."""
        for known in (self._facts, self._waited, self._evidence, self._faults, self._checks):
            known.pop(job, None)

    def await_check(self, job: str) -> None:
        """Until the leak check of *job* can be told, or takes too long."""
        if check := self._checks.get(job):
            wait([check], self._patience.total_seconds())

    def checked(self) -> LeakChecks:
        """The leak checks that are done by now, each only once."""
        done = [job for job, check in self._checks.items() if check.done()]
        found = LeakChecks(steps={job: self._result(job) for job in done})
        self._checks = {job: one for job, one in self._checks.items() if job not in done}
        return found

    def _result(self, job: str) -> StepResult:
        """That of the leak check of *job*, waited for."""
        try:
            return self._checks[job].result(self._patience.total_seconds())
        except TimeoutError:
            seconds = human_seconds(self._patience.total_seconds())
            return not_made(LabError(f"it took longer than {seconds}"))
        except Exception as error:  # noqa: BLE001 whatever went wrong, it is told as such
            return not_made(error)

    def close(self) -> LastWords:
        """Tear down what is left after an interrupt, and let go of the host."""
        words = LastWords()
        try:
            for job in list(self._guests):
                try:
                    self.tear_down(job, failed=True, hurried=True)
                except LabError as error:
                    words.problems.append(f"teardown of {job}: {error}")
                words.facts[job] = self.facts(job)
            for job in list(self._checks):
                words.steps[job] = self._result(job)
        finally:
            self._maker.close()
        return words
