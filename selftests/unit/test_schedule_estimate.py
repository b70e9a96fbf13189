"""How long a job takes, by what it took."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_samples import passed_flight

from harness.flight.build import build_plan
from harness.flight.expected import UNKNOWN, Last
from harness.flight.model import JobSpec
from harness.flight.plan import Plan, from_json, to_json
from harness.results.load import load_results
from harness.results.recorder import to_json as results_json
from harness.schedule.estimate import Basis, Estimate, Estimator, Sample, own_time
from harness.schedule.past import expecting
from harness.schedule.pastruns import from_runs
from harness.status import Status

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return replace(build_plan(str(ROOT / "flights" / "smoke.yaml")), created=NOW)


@pytest.fixture(scope="module")
def job(plan: Plan) -> JobSpec:
    return plan.jobs[0]


def ran(spec: JobSpec, seconds: float, **changes: object) -> Sample:
    kin = {"job": spec.name, "suite": spec.suite, "virt": str(spec.virt), "arch": str(spec.arch)}
    one = {"host": "rack", "at": NOW - DAY, "status": Status.PASS, "seconds": seconds}
    return Sample(**{**kin, **one, **changes})  # type: ignore[arg-type]


def test_it_is_of_the_same_host_first_then_of_any(job: JobSpec) -> None:
    found = Estimator([ran(job, 10), ran(job, 90, host="slow")], NOW)
    assert found.estimate(job, "slow") == Estimate(basis=Basis.HOST, seconds=(90,))
    assert found.estimate(job, "new") == Estimate(basis=Basis.JOB, seconds=(10, 90))
    assert found.estimate(job).basis is Basis.JOB


def test_a_job_that_never_ran_takes_what_its_kin_does(job: JobSpec) -> None:
    kin = ran(job, 40, job="boot-kin")
    other = ran(job, 600, job="boot-other", virt="hvm")
    found = Estimator([kin, other], NOW).estimate(job)
    assert found == Estimate(basis=Basis.KIN, seconds=(40,))
    assert Estimator([other], NOW).estimate(job) == Estimate(basis=Basis.FLIGHT, seconds=(600,))


def test_of_nothing_known_comes_a_default_and_no_error(job: JobSpec) -> None:
    nothing = Estimator([], NOW)
    assert nothing.estimate(job).basis is Basis.NOTHING
    assert nothing.expectations([job]) == [UNKNOWN]


def test_what_is_older_than_osstest_looks_counts_only_if_nothing_else_is_there(
    job: JobSpec,
) -> None:
    old = ran(job, 500, at=NOW - 20 * DAY)
    assert Estimator([old], NOW).estimate(job).seconds == (500,)
    assert Estimator([old, ran(job, 60)], NOW).estimate(job).seconds == (60,)


@pytest.mark.parametrize("status", [Status.BROKEN, Status.STARVED, Status.ABORTED, Status.SKIP])
def test_what_did_not_come_to_its_end_says_nothing_of_time(job: JobSpec, status: Status) -> None:
    assert Estimator([ran(job, 3, status=status)], NOW).estimate(job).basis is Basis.NOTHING


@pytest.mark.parametrize(
    ("status", "last"),
    [
        (Status.PASS, Last.PASSED),
        (Status.FAIL, Last.FAILED),
        (Status.BROKEN, Last.FAILED),
        (Status.STARVED, Last.PASSED),  # it never ran: the pass before it stands
    ],
)
def test_what_became_of_it_last_is_known_and_where(
    job: JobSpec, status: Status, last: Last
) -> None:
    before = ran(job, 30, at=NOW - 2 * DAY, host="b")
    (found,) = Estimator([before, ran(job, 30, status=status, host="a")], NOW).expectations([job])
    assert found.last is last
    assert found.host == ("b" if status is Status.STARVED else "a")


@given(st.lists(st.floats(0, 1e5), min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_quantiles_are_in_order_and_within_what_was_seen(
    seconds: list[float], one: float, other: float
) -> None:
    found = Estimate(basis=Basis.JOB, seconds=tuple(sorted(seconds)))
    low, high = sorted((one, other))
    margin = 1e-9 * max(seconds)
    assert min(seconds) - margin <= found.quantile(low) <= found.quantile(high) + margin
    assert found.quantile(high) <= max(seconds) + margin
    assert (found.quantile(0), found.quantile(1)) == (min(seconds), max(seconds))


SAMPLES = st.lists(
    st.builds(
        Sample,
        job=st.sampled_from(["a", "b", "boot-bookworm-amd64-pv-direct"]),
        suite=st.sampled_from(["boot", "other"]),
        virt=st.sampled_from(["pv", "hvm"]),
        arch=st.just("amd64"),
        host=st.sampled_from([None, "rack", "slow"]),
        at=st.datetimes(datetime(2026, 9, 1), datetime(2026, 11, 20), timezones=st.just(UTC)),  # noqa: DTZ001
        status=st.sampled_from(Status),
        seconds=st.floats(0, 1e5),
    )
)


@given(SAMPLES, st.randoms(use_true_random=False))
def test_whatever_history_says_there_is_an_expectation_and_its_order_is_nothing(
    samples: list[Sample], random: object
) -> None:
    (job,) = build_plan(str(ROOT / "flights" / "smoke.yaml"), only=["*-pv-*"]).jobs
    (found,) = Estimator(samples, NOW).expectations([job])
    assert 0 <= found.usual <= found.long
    if len({one.at for one in samples}) == len(samples):
        random.shuffle(samples)  # type: ignore[attr-defined]
        assert Estimator(samples, NOW).expectations([job]) == [found]


def test_waiting_is_no_part_of_what_a_job_takes() -> None:
    assert own_time(100, {"image": 30, "slot": 20, "guest": 40}) == 50
    assert own_time(10, {"slot": 20}) == 0


def test_results_on_disk_stand_in_for_a_store(tmp_path: Path, plan: Plan) -> None:
    directory = tmp_path / "smoke-1"
    result = passed_flight(directory).model_copy(update={"flight": "smoke"})
    (directory / "results.json").write_text(results_json(result))
    (tmp_path / "smoke-2").mkdir()
    (tmp_path / "smoke-2" / "results.json").write_text("{")
    found = list(from_runs(tmp_path, "smoke"))
    assert {one.job for one in found} == {job.name for job in load_results(directory).jobs}
    assert list(from_runs(tmp_path, "nightly")) == []
    planned = expecting(plan, store="none", runs=tmp_path)
    assert set(planned.expected) == {job.name for job in plan.jobs}
    assert from_json(to_json(planned)) == planned


def test_a_store_that_is_none_spoils_no_plan(tmp_path: Path, plan: Plan) -> None:
    broken = tmp_path / "history.db"
    broken.write_text("no database")
    planned = expecting(plan, store=str(broken), runs=tmp_path)
    assert set(planned.expected.values()) == {UNKNOWN}
