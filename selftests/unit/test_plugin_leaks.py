"""The leak checks of one process: begun after each teardown, told once, waited for at the end."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import timedelta

import pytest

from harness.errors import LabError
from harness.flight.axes import Keep
from harness.job.prepared import JobFacts
from harness.plugin.guests import Guests
from harness.results.model import EvidenceResult, StepResult
from harness.status import Status
from harness.steps import LEAK_CHECK, StepRecord

JOB, OTHER_JOB = "boot-a", "boot-b"
PASSED = StepResult(testid=LEAK_CHECK, status=Status.PASS)


class Lab:
    """Makes guests that do what they are told to; it is each of them, too."""

    def __init__(self) -> None:
        self.step = StepRecord(job=JOB, testid="none")
        self.did: list[str] = []
        self.check: Future[StepResult] = Future()
        self.removing: BaseException | None = None
        self.checking: Exception | None = None

    def make(self, job: str, step: StepRecord) -> Lab:
        return self

    def capture(self, culprit: StepResult) -> EvidenceResult:
        return EvidenceResult()

    def remove(self) -> None:
        self.did.append("remove")
        if self.removing:
            raise self.removing

    def keep(self) -> bool:
        self.did.append("keep")
        return True

    def over(self, job: str, *, passed: bool, fault: str = "") -> None:
        pass

    def close(self) -> None:
        self.did.append("close")

    def check_leaks(self) -> Future[StepResult]:
        self.did.append("check")
        if self.checking:
            raise self.checking
        return self.check

    def facts(self, *, kept: bool) -> JobFacts:
        return JobFacts(kept=kept)


class Bench:
    def __init__(self, keep: Keep = Keep.NEVER) -> None:
        self.lab = Lab()
        self.guests = Guests(self.lab, keep, patience=timedelta(seconds=0))
        self.guests.get(StepRecord(job=JOB, testid="guest-create"))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_is_begun_when_the_guest_was_removed_and_let_go_of(bench: Bench) -> None:
    bench.guests.tear_down(JOB, failed=False)
    assert bench.lab.did == ["remove", "close", "check"]


def test_it_is_told_once_and_only_when_it_is_done(bench: Bench) -> None:
    bench.guests.tear_down(JOB, failed=False)
    assert bench.guests.checked().steps == {}
    bench.lab.check.set_result(PASSED)
    assert bench.guests.checked().steps == {JOB: PASSED}
    assert bench.guests.checked().steps == {}
    assert bench.guests.close().steps == {}


def test_a_guest_that_is_kept_is_looked_at_too() -> None:
    bench = Bench(Keep.ALWAYS)
    bench.guests.tear_down(JOB, failed=False)
    assert bench.lab.did == ["keep", "close", "check"]


@pytest.mark.parametrize("error", [LabError("LV in use"), KeyError("a bug")])
def test_it_is_begun_after_a_teardown_that_failed(bench: Bench, error: Exception) -> None:
    bench.lab.removing = error
    with pytest.raises(type(error)):
        bench.guests.tear_down(JOB, failed=False)
    assert bench.lab.did == ["remove", "close", "check"]


def test_not_after_one_that_was_interrupted(bench: Bench) -> None:
    """What is left then the sweep removes: it was no time for it."""
    bench.lab.removing = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        bench.guests.tear_down(JOB, failed=False)
    assert bench.lab.did == ["remove", "close"]
    assert bench.guests.close().steps == {}


def test_not_of_what_is_torn_down_at_the_end_of_the_process(bench: Bench) -> None:
    words = bench.guests.close()
    assert bench.lab.did == ["remove", "close", "close"]
    assert (list(words.facts), words.steps) == ([JOB], {})


def test_one_that_was_begun_is_waited_for_at_the_end(bench: Bench) -> None:
    bench.guests.tear_down(JOB, failed=False)
    bench.lab.check.set_result(PASSED)
    assert bench.guests.close().steps == {JOB: PASSED}


def test_one_that_never_ends_is_waited_for_only_so_long(bench: Bench) -> None:
    bench.guests.tear_down(JOB, failed=False)
    check = bench.guests.close().steps[JOB]
    assert (check.status, check.reason) == (
        Status.BROKEN,
        "not made: it took longer than 0.0 s",
    )


@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_bug_in_it_is_told_as_one_and_goes_no_further(bench: Bench, when: str) -> None:
    bug = KeyError("x")
    if when == "at once":
        bench.lab.checking = bug
    else:
        bench.lab.check.set_exception(bug)
    bench.guests.tear_down(JOB, failed=False)
    check = bench.guests.checked().steps[JOB]
    assert (check.status, check.reason) == (Status.BROKEN, "not made: KeyError: 'x'")


@pytest.mark.parametrize(("failed", "status"), [(True, Status.BLOCKED), (False, Status.SKIP)])
def test_a_job_without_a_guest_has_one_too(bench: Bench, failed: bool, status: Status) -> None:
    bench.guests.tear_down(OTHER_JOB, failed=failed)
    assert bench.guests.checked().steps[OTHER_JOB].status is status
    assert bench.lab.did == []
