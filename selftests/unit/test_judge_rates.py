from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_samples import XL, flight

from harness.judge.memory import MemoryHistory
from harness.judge.rates import Rate, rate, rates_by, wilson

counts = st.integers(0, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("passes", "runs", "low", "high"),
    [
        # R: prop.test(p, n, correct = FALSE), and the tables of Newcombe, Statistics in Medicine
        # 17, 1998, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson(passes: int, runs: int, low: float, high: float) -> None:
    assert wilson(passes, runs) == pytest.approx((low, high), abs=5e-5)


@given(counts)
def test_the_interval_is_within_bounds_and_around_the_rate(case: tuple[int, int]) -> None:
    passes, runs = case
    low, high = wilson(passes, runs)
    assert 0 <= low <= (passes / runs if runs else 0) <= (high if runs else 1) <= 1


@given(counts)
def test_more_runs_of_the_same_rate_are_surer(case: tuple[int, int]) -> None:
    passes, runs = case
    low, high = wilson(passes, runs)
    lower, higher = wilson(4 * passes, 4 * runs)
    assert higher - lower <= high - low


def test_only_verdicts_count() -> None:
    words = ("pass", "fail", "broken", "blocked", "starved", "skip", "aborted", "pass")
    runs = [flight(str(n), "a", {XL: f"s {word}"}) for n, word in enumerate(words)]
    found = MemoryHistory(runs).step_history(XL, "s", "xen-unstable", None)
    assert rate(found) == Rate(passes=2, runs=3)
    assert rate([]) == Rate(passes=0, runs=0)


def test_by_host_and_by_revision() -> None:
    runs = [
        flight("1", "a", {XL: "s pass"}, host="rack1"),
        flight("2", "b", {XL: "s fail"}, host="rack2"),
        flight("3", "b", {XL: "s fail"}, host="rack2"),
    ]
    found = MemoryHistory(runs).step_history(XL, "s", "xen-unstable", None)
    assert rates_by(found, lambda run: run.host) == {
        "rack2": Rate(passes=0, runs=2),
        "rack1": Rate(passes=1, runs=1),
    }
    assert rates_by(found, lambda run: (run.host, run.revisions["xen"])) == {
        ("rack2", "b"): Rate(passes=0, runs=2),
        ("rack1", "a"): Rate(passes=1, runs=1),
    }


def test_in_words() -> None:
    assert str(Rate(passes=41, runs=42)) == "passed 41 of 42 times (98 %; likely 88 to 100 %)"
    assert str(Rate(passes=0, runs=0)) == "never ran"


def test_more_passes_than_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="3 passes of 2 runs"):
        Rate(passes=3, runs=2)
