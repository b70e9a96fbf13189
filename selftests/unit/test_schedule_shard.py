"""Parts of a flight: all of it, each job once, evenly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.flight.build import build_plan
from harness.flight.expected import Expectation, Last
from harness.flight.plan import Plan, from_json, to_json
from harness.schedule.shard import parse_shard, rounded, split, take_shard

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return build_plan(str(ROOT / "flights" / "matrix.yaml"))


def took(seconds: float) -> Expectation:
    return Expectation(usual=seconds, long=seconds, last=Last.PASSED)


@pytest.mark.parametrize("text", ["", "0/2", "3/2", "1/0", "2", "a/b", "-1/2", "1/1001", "1/2/3"])
def test_what_is_no_part_of_a_whole_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no part of a flight"):
        parse_shard(text)


@given(
    st.lists(st.floats(0, 1e5), max_size=60), st.integers(1, 9), st.randoms(use_true_random=False)
)
def test_each_job_is_in_one_part_and_none_is_much_longer(
    seconds: list[float], count: int, random: object
) -> None:
    jobs = [f"job-{number}" for number in range(len(seconds))]
    known = {job: took(length) for job, length in zip(jobs, seconds, strict=True)}
    parts = split(jobs, known, count)
    assert len(parts) == count
    assert sorted(job for part in parts for job in part) == sorted(jobs)
    sums = [sum(rounded(known[job].usual) for job in part) for part in parts]
    assert max(sums) - min(sums) <= max(map(rounded, seconds), default=0)
    random.shuffle(jobs)  # type: ignore[attr-defined]
    assert split(jobs, known, count) == parts, "the order is nothing"


@given(st.floats(1, 1e5))
def test_a_night_s_noise_moves_no_job(seconds: float) -> None:
    middle = rounded(seconds)
    assert rounded(middle * 1.15) == rounded(middle / 1.15) == middle
    assert 1 / 1.2 < middle / seconds < 1.2


@pytest.mark.parametrize("count", [1, 2, 5])
def test_shards_of_a_plan_are_all_of_it(plan: Plan, count: int) -> None:
    parts = [
        take_shard(plan, f"{index}/{count}", token=f"00000{index}") for index in range(1, count + 1)
    ]
    names = [job.name for part in parts for job in part.jobs]
    assert sorted(names) == sorted(job.name for job in plan.jobs), "those that are skipped, too"
    assert len({part.flight_id for part in parts}) == count
    assert {part.shard.of for part in parts if part.shard} == {parts[0].shard and parts[0].shard.of}
    assert from_json(to_json(parts[0])) == parts[0]


def test_shards_of_other_jobs_are_told_apart(plan: Plan) -> None:
    fewer = replace(plan, jobs=plan.jobs[:-1] if not plan.jobs[-1].skip else plan.jobs[1:])
    one, other = (take_shard(whole, "1/2", token="000001") for whole in (plan, fewer))
    assert one.shard
    assert other.shard
    runnable = [len([job for job in whole.jobs if not job.skip]) for whole in (plan, fewer)]
    assert (one.shard.of == other.shard.of) == (runnable[0] == runnable[1])


def test_a_part_with_nothing_to_do_is_refused(plan: Plan) -> None:
    few = replace(plan, jobs=tuple(job for job in plan.jobs if not job.skip)[:2])
    with pytest.raises(UsageError, match="no job is left for it; the flight has 2"):
        take_shard(few, "3/3", token="000001")
