"""How the statuses of steps make those of jobs and flights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_samples import START

from harness.results.model import JobResult, StepResult
from harness.results.rules import complete, first_bad, flight_status, job_status, worse
from harness.status import Status

P, F, B, S = Status.PASS, Status.FAIL, Status.BROKEN, Status.SKIP


def steps(*statuses: Status) -> list[StepResult]:
    return [StepResult(testid=f"s{n}", status=status) for n, status in enumerate(statuses)]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((P, P), P),
        ((S, P), P),
        ((S, S), S),
        ((), S),
        ((P, F, Status.BLOCKED), F),
        ((P, F, B), F),  # the first, not the worst
        ((S, B, F), B),
        ((P, Status.STARVED, Status.BLOCKED), Status.STARVED),
    ],
)
def test_job_has_the_word_of_its_first_bad_step(
    statuses: tuple[Status, ...], expected: Status
) -> None:
    assert job_status(steps(*statuses)) is expected


@given(st.lists(st.sampled_from(Status)))
def test_job_passes_only_if_nothing_bad_is_in_it(statuses: list[Status]) -> None:
    harmless = set(statuses) <= {P, S}
    assert (job_status(steps(*statuses)) in {P, S}) == harmless
    assert (first_bad(steps(*statuses)) is None) == harmless


def job(status: Status) -> JobResult:
    return JobResult(name="j", suite="s", dist="d", arch="a", virt="v", boot="b", status=status)


@pytest.mark.parametrize(
    ("statuses", "problems", "ended", "expected"),
    [
        ([P, F], False, True, F),
        ([P], True, True, B),
        ([F], True, True, B),
        ([P], False, False, Status.ABORTED),
        ([P, S], False, True, P),
        ([], False, True, S),
    ],
)
def test_flight_is_the_worst_of_its_jobs(
    statuses: list[Status], problems: bool, ended: bool, expected: Status
) -> None:
    jobs = [job(status) for status in statuses]
    assert flight_status(jobs, problems=problems, ended=ended) is expected


def test_of_two_results_the_worse_is_kept_whichever_comes_first() -> None:
    good, bad = steps(P, F)
    assert worse(good, bad) is bad
    assert worse(bad, good) is bad
    again = bad.model_copy(update={"reason": "again"})
    assert worse(bad, again) is again


def test_absent_steps_are_filled_in() -> None:
    found = {"a": StepResult(testid="a", status=P), "c": StepResult(testid="c", status=B)}
    done = complete(("a", "b", "c", "d", "e"), found, {"a": START, "c": START, "e": START})
    assert [(step.testid, step.status) for step in done] == [
        ("a", P),
        ("b", Status.ABORTED),
        ("c", B),
        ("d", Status.BLOCKED),
        ("e", Status.ABORTED),
    ]
    assert done[3].reason == "did not run: c was broken"
    assert (done[1].started, done[4].started) == (None, START)
    assert done[4].reason == "the run ended in the middle of this step"


def test_steps_nobody_expected_come_last() -> None:
    found = {"x": StepResult(testid="x", status=P), "a": StepResult(testid="a", status=P)}
    assert [step.testid for step in complete(("a",), found, {})] == ["a", "x"]
