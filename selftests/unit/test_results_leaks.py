"""Leak checks in the record of a flight: they come late, and prove nothing of a guest."""

from __future__ import annotations

from pathlib import Path

import pytest
from results_samples import PV, PVH, STEPS, Flight, planned

from harness.results.load import load_results, recover_results
from harness.results.model import StepResult
from harness.results.rules import complete, job_status
from harness.status import Status
from harness.steps import LEAK_CHECK

P, B, S = Status.PASS, Status.BROKEN, Status.SKIP
ALL = (*STEPS, LEAK_CHECK)


def check(status: Status, **more: object) -> StepResult:
    return StepResult.model_validate({"testid": LEAK_CHECK, "status": status, **more})


@pytest.fixture
def flight(tmp_path: Path) -> Flight:
    return Flight(tmp_path / "f1", planned(PV, ALL), planned(PVH, ALL))


def test_its_time_is_not_the_jobs(flight: Flight) -> None:
    flight.passing_job(PV)
    flight.passing_job(PVH)
    flight.recorder.step_finished(PV, check(P, started=flight.clock.time, duration=3.0))
    flight.recorder.step_finished(PVH, check(P))
    result = flight.recorder.finish()
    assert [job.duration for job in result.jobs] == [14.0, 14.0]
    assert [job.status for job in result.jobs] == [P, P]


def test_a_leak_told_after_its_job_ended_makes_that_broken(flight: Flight, tmp_path: Path) -> None:
    flight.passing_job(PV)
    flight.passing_job(PVH)
    flight.recorder.step_finished(PV, check(B, reason="left on rack: LV x", failure_class="leak"))
    flight.recorder.step_finished(PVH, check(P))
    result = flight.recorder.finish()
    assert [job.status for job in result.jobs] == [B, P]
    assert result.jobs[0].reason == f"{LEAK_CHECK}: left on rack: LV x"
    assert {step.status for step in result.jobs[0].steps[:-1]} == {P}
    assert recover_results(tmp_path / "f1") == load_results(tmp_path / "f1") == result


def test_killed_before_it_was_told_the_job_has_not_come_to_its_end(
    flight: Flight, tmp_path: Path
) -> None:
    flight.passing_job(PV)
    (pv, _) = recover_results(tmp_path / "f1").jobs
    assert (pv.steps[-1].testid, pv.steps[-1].status) == (LEAK_CHECK, Status.ABORTED)


@pytest.mark.parametrize(
    ("statuses", "leak", "expected"),
    [((S, S), P, S), ((S, S), B, B), ((S, P), P, P), ((Status.FAIL, P), B, Status.FAIL)],
)
def test_that_nothing_leaked_proves_nothing(
    statuses: tuple[Status, ...], leak: Status, expected: Status
) -> None:
    steps = [StepResult(testid=f"s{n}", status=status) for n, status in enumerate(statuses)]
    assert job_status([*steps, check(leak)]) is expected


def test_it_is_the_last_step_also_after_a_teardown_that_nobody_expected() -> None:
    found = {
        testid: StepResult(testid=testid, status=P) for testid in ("a", LEAK_CHECK, "teardown")
    }
    order = [step.testid for step in complete(["a", LEAK_CHECK], found, {})]
    assert order == ["a", "teardown", LEAK_CHECK]


@pytest.mark.parametrize(
    ("status", "expected"), [(P, P), (B, B)], ids=["nothing left", "something left"]
)
def test_the_flights_own_counts_only_when_something_is_wrong(
    flight: Flight, tmp_path: Path, status: Status, expected: Status
) -> None:
    for job in (PV, PVH):
        flight.passing_job(job)
        flight.recorder.step_finished(job, check(P))
    flight.recorder.flight_checked(check(B, reason="asked too early"))
    flight.recorder.flight_checked(check(status))
    result = flight.recorder.finish()
    assert result.leak_check == check(status)
    assert result.status is expected
    assert load_results(tmp_path / "f1") == recover_results(tmp_path / "f1") == result


def test_a_flight_of_which_nothing_ran_did_not_pass_because_nothing_leaked(flight: Flight) -> None:
    for job in (PV, PVH):
        flight.recorder.job_skipped(job, [StepResult(testid=t, status=S) for t in ALL])
    flight.recorder.flight_checked(check(P))
    assert flight.recorder.finish().status is S
