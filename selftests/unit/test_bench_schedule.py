"""What the scheduler's benchmark measures is there to be measured."""

from __future__ import annotations

import random

import pytest

from harness.bench.loadgroup import loadgroup_ends
from harness.bench.schedule import GOAL, fly, make_night
from harness.schedule.forecast import lower_bound


@pytest.mark.parametrize("seed", range(3))
def test_our_makespan_is_near_the_bound_and_better_than_xdist_s(seed: int) -> None:
    found = fly(121, 12, 2, seed)
    assert 1 <= found.ratio <= GOAL
    assert found.ratio < found.plain_ratio


def test_the_same_seed_is_the_same_night() -> None:
    one, other = (make_night(50, random.Random(7)) for _ in range(2))
    assert one == other
    assert make_night(50, random.Random(8)) != one


def test_xdist_keeps_a_second_group_behind_a_slow_one() -> None:
    """As its workers do: the third job waits for the first, though the second worker is idle."""
    ends = loadgroup_ends({"slow": 100.0, "quick": 1.0, "third": 1.0, "fourth": 1.0}, 2, 2)
    assert sorted(ends) == ["fourth", "quick", "slow", "third"]
    assert ends["third"] > 100
    assert max(ends.values()) > lower_bound([100, 1, 1, 1], 2)


@pytest.mark.parametrize(("jobs", "workers"), [(1, 1), (1, 5), (7, 3), (40, 4)])
def test_all_jobs_end_however_few_workers_there_are(jobs: int, workers: int) -> None:
    seconds = {f"job{number}": float(1 + number % 5) for number in range(jobs)}
    ends = loadgroup_ends(seconds, workers, 4)
    assert set(ends) == set(seconds)
    assert max(ends.values()) >= lower_bound(seconds.values(), workers)
