"""What a worker does with its jobs, as `harness.plugin` does it within pytest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from harness.bench.schedule import Night
from harness.errors import LabError, XenflightError
from harness.flight.axes import Keep
from harness.flight.plan import Plan
from harness.job import proof
from harness.job.guest import GuestUnderTest
from harness.job.lab import GuestMaker
from harness.job.placed import Placements
from harness.plugin.guests import Guests
from harness.plugin.outcome import TEARDOWN, judge, why_blocked
from harness.plugin.retry import Retries
from harness.progress import Progress
from harness.results.layout import FlightDirectory
from harness.results.model import StepResult
from harness.results.recorder import FlightRecorder
from harness.schedule.board import Board
from harness.status import Status
from harness.steps import StepRecord
from harness.wait import SYSTEM_CLOCK

Act = Callable[[Any], object]
"""What is done with a guest, which is a `GuestUnderTest`."""
LOOK = 5.0
"""Seconds between two looks of a worker for which there is no job."""
TAIL = 12.0
"""Seconds of a job after its work: shutdown, removal and leak check of a simulated guest."""
_TELL = 500


def now() -> datetime:
    """The simulated time of day."""
    return datetime.fromtimestamp(SYSTEM_CLOCK.time_of_day(), UTC)


class Step(NamedTuple):
    """One of suite ``boot``, and one more that takes the rest of the job's time."""

    testid: str
    act: Act | None


WORK = "guest-work"
STEPS = (
    Step("guest-create", GuestUnderTest.create),
    Step("guest-boot", GuestUnderTest.boot),
    Step("guest-console", proof.prove_console),
    Step("guest-ssh", proof.prove_ssh),
    Step("guest-network", proof.prove_network),
    Step(WORK, None),
    Step("guest-shutdown", GuestUnderTest.shut_down),
    Step("guest-gone", proof.prove_gone),
)


class Line:
    """What all workers of a flight share: the board, the record, and what came of it."""

    def __init__(
        self,
        plan: Plan,
        files: FlightDirectory,
        night: Night,
        recorder: FlightRecorder,
        board: Board,
        retries: Retries,
        progress: Progress,
    ) -> None:
        self._plan = plan
        self._files = files
        self._placements = Placements(files.path)
        self._night = night
        self._recorder = recorder
        self._board = board
        self._retries = retries
        self._progress = progress
        self.began = self.last = SYSTEM_CLOCK.monotonic()
        self.took: dict[str, float] = {}
        self.first_failure: float | None = None
        self.lost = 0

    def work(self, maker: GuestMaker) -> None:
        """One worker: a job whenever it has none."""
        guests = Guests(maker, Keep.NEVER)
        try:
            while self._board.open:
                turn = self._board.give()
                if turn is None:
                    SYSTEM_CLOCK.sleep(LOOK)
                    continue
                if turn.host:
                    self._placements.write(turn.job, turn.host)
                self._job(guests, turn.job)
                self._board.over(turn.job)
        finally:
            guests.close()

    def _job(self, guests: Guests, job: str) -> None:
        again, began = True, 0.0
        while again:
            began = SYSTEM_CLOCK.monotonic()
            culprit = self._steps(guests, job, began)
            culprit = self._tear_down(guests, job, culprit)
            facts = guests.facts(job)
            again = self._retries.due(job, culprit, facts)
            if again:
                self._files.job(job).put_by()
                guests.await_check(job)
            self._tell_checks(guests)
            self._recorder.job_ended(
                job,
                host=facts.host or None,
                waits=facts.waits,
                runvars=facts.runvars,
                evidence=facts.evidence,
            )
            self.lost += culprit is not None and culprit.status is Status.BROKEN
            if again:
                self._recorder.job_retried(job)
                guests.forget(job)
        self.last = SYSTEM_CLOCK.monotonic()
        self.took[job] = self.last - began
        if len(self.took) % _TELL == 0:
            self._progress(f"{len(self.took):,} of {len(self._plan.jobs):,} jobs are over")

    def _steps(self, guests: Guests, job: str, began: float) -> StepResult | None:
        culprit: StepResult | None = None
        for testid, act in STEPS:
            record = StepRecord(job=job, testid=testid)
            self._recorder.step_started(job, testid)
            if culprit:
                reason = why_blocked(culprit)
                result = StepResult(testid=testid, status=Status.BLOCKED, reason=reason)
            else:
                result = self._step(guests, record, act, began)
                culprit = result if result.status is not Status.PASS else None
                if culprit:
                    self._failed(guests, job, culprit)
            self._recorder.step_finished(job, result)
        return culprit

    def _step(
        self, guests: Guests, record: StepRecord, act: Act | None, began: float
    ) -> StepResult:
        at, status, reason = SYSTEM_CLOCK.monotonic(), Status.PASS, None
        started = now()
        try:
            guest = guests.get(record)
            guests.at_step(record)
            if act:
                act(guest)
            else:
                self._work(record.job, began)
        except (XenflightError, AssertionError) as error:
            status, reason = judge(error)
            guests.blame(record.job, error)
        took = SYSTEM_CLOCK.monotonic() - at
        return StepResult.of(record, status=status, started=started, duration=took, reason=reason)

    def _work(self, job: str, began: float) -> None:
        """The rest of the time that the job is to take; some fail in its middle."""
        spent = SYSTEM_CLOCK.monotonic() - began
        SYSTEM_CLOCK.sleep(self._night.seconds[job] - spent - TAIL)
        assert job not in self._night.failing, "drawn to fail"

    def _failed(self, guests: Guests, job: str, culprit: StepResult) -> None:
        guests.capture(job, culprit)
        if culprit.status is Status.FAIL and self.first_failure is None:
            self.first_failure = SYSTEM_CLOCK.monotonic() - self.began

    def _tear_down(self, guests: Guests, job: str, culprit: StepResult | None) -> StepResult | None:
        try:
            guests.tear_down(job, failed=culprit is not None)
        except LabError as error:
            status, reason = judge(error)
            stuck = StepResult(testid=TEARDOWN, status=status, reason=reason)
            self._recorder.step_finished(job, stuck)
            return culprit or stuck
        return culprit

    def _tell_checks(self, guests: Guests) -> None:
        for job, step in guests.checked().steps.items():
            self._recorder.step_finished(job, step)
