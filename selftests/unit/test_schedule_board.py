"""Which job begins next, and where."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.flight.expected import Expectation, Last
from harness.schedule.board import Board, Turn, Work
from harness.schedule.forecast import forecast, lower_bound, makespan
from harness.schedule.order import in_order
from harness.schedule.where import best_first

BOTH = ("a", "b")


def took(seconds: float, last: Last = Last.PASSED, host: str | None = None) -> Expectation:
    return Expectation(usual=seconds, long=seconds, last=last, host=host)


class Seen:
    """Signs that a test gives."""

    def __init__(self, **places: Collection[str]) -> None:
        self.places: Mapping[str, Collection[str]] = places
        self.waiting: set[str] = set()

    def ready(self, job: str) -> Collection[str]:
        return self.places.get(job, BOTH)

    def waits(self, job: str) -> bool:
        return job in self.waiting


def test_the_longest_begins_first() -> None:
    known = {"short": took(10), "long": took(100), "middle": took(50)}
    assert in_order(known, known, 1) == ["long", "middle", "short"]


def test_what_failed_last_time_and_what_never_ran_begin_before_what_passed() -> None:
    known = {
        "passed": took(20),
        "new": took(10, Last.NEVER),
        "failed": took(5, Last.FAILED),
        "also-new": took(15, Last.NEVER),
    }
    assert in_order(known, known, 1) == ["failed", "also-new", "new", "passed"]


def test_a_job_that_would_outlast_the_flight_is_not_put_off_for_evidence() -> None:
    failed = {f"failed-{number}": took(60, Last.FAILED) for number in range(8)}
    known = {**failed, "hours": took(500), "minutes": took(60)}
    order = in_order(known, known, 4)
    assert order[0] == "hours"
    assert order[-1] == "minutes"


def test_jobs_of_which_nothing_is_known_keep_their_order() -> None:
    assert in_order(["c", "a", "b"], {}, 2) == ["c", "a", "b"]


def test_after_a_failure_a_job_goes_back_and_after_a_pass_elsewhere() -> None:
    free = {"a": 1, "b": 1, "c": 1}
    for last_host in free:
        assert best_first("job", took(1, Last.FAILED, last_host), free)[0] == last_host
        assert best_first("job", took(1, Last.PASSED, last_host), free)[-1] == last_host


def test_neither_makes_it_wait_for_a_full_host() -> None:
    assert best_first("job", took(1, Last.FAILED, "a"), {"a": 0, "b": 1}) == ["b", "a"]
    assert best_first("job", took(1, Last.PASSED, "b"), {"a": 0, "b": 1}) == ["b", "a"]


def test_else_it_goes_to_the_emptiest_and_not_all_to_the_same() -> None:
    assert best_first("job", took(1, Last.NEVER), {"a": 1, "b": 3, "c": 2}) == ["b", "c", "a"]
    even = {"a": 1, "b": 1, "c": 1}
    first = {best_first(f"job-{number}", took(1, Last.NEVER), even)[0] for number in range(50)}
    assert first == set(even)


def works(*jobs: str, hosts: tuple[str, ...] = BOTH, needs: str = "") -> list[Work]:
    return [Work(job=job, hosts=hosts, needs=needs) for job in jobs]


def test_no_more_begin_on_a_host_than_it_has_slots() -> None:
    board = Board(works("1", "2", "3", "4"), {"a": 1, "b": 2}, Seen())
    given_out = [board.give() for _ in range(4)]
    assert [turn.host for turn in given_out if turn].count("a") == 1
    assert given_out[3] is None, "nothing is handed out to stand behind a slow job"
    first = given_out[0]
    assert first
    board.over(first.job)
    assert board.give() == Turn("4", first.host)
    assert not board.open


def test_a_job_for_a_full_host_does_not_hold_up_one_for_another() -> None:
    work = [*works("1", "2", hosts=("a",)), *works("3", hosts=("b",))]
    board = Board(work, {"a": 1, "b": 1}, Seen())
    assert [board.give(), board.give(), board.give()] == [Turn("1", "a"), Turn("3", "b"), None]


def test_where_others_hold_slots_only_one_job_stands_in_line() -> None:
    seen = Seen()
    board = Board(works("1", "2", "3", "4", hosts=("a",)), {"a": 3}, seen, held={"a": 2})
    assert board.give() == Turn("1", "a")
    assert board.give() == Turn("2", "a"), "perhaps they have gone by now"
    seen.waiting = {"2"}
    assert board.give() is None, "they have not"
    seen.waiting = set()
    assert board.give() == Turn("3", "a"), "they have"
    assert board.give() is None, "all slots are ours"


def test_others_who_come_later_are_noticed() -> None:
    seen = Seen()
    board = Board(works("1", "2", "3", hosts=("a",)), {"a": 3}, seen)
    assert board.give() == Turn("1", "a")
    seen.waiting = {"1"}
    assert board.give() is None


def test_what_has_no_image_yet_does_not_hold_up_what_has() -> None:
    seen = Seen(**{"1": (), "2": (), "3": BOTH})
    work = [*works("1", "2", needs="late"), *works("3", "4", needs="there")]
    board = Board(work, {"a": 2, "b": 2}, seen)
    turns = [board.give() for _ in range(3)]
    assert [turn.job for turn in turns if turn] == ["3", "4", "1"], "one waits for the image"
    assert board.give() is None
    seen.places = {}
    last = board.give()
    assert last
    assert last.job == "2"


def test_it_goes_where_its_image_is() -> None:
    board = Board(works("1", needs="x"), {"a": 9, "b": 1}, Seen(**{"1": ("b",)}))
    assert board.give() == Turn("1", "b")


def test_a_job_that_nothing_can_run_is_given_out_to_tell_of_it() -> None:
    board = Board(works("1", hosts=()), {"a": 0}, Seen())
    assert board.give() == Turn("1", None)


def test_one_whose_worker_died_begins_anew_before_others_and_elsewhere() -> None:
    board = Board(works("1", "2", "3"), {"a": 1, "b": 1}, Seen())
    one, two = board.give(), board.give()
    assert one
    assert two
    board.again(one.job)
    board.over(two.job)
    assert board.give() == Turn(one.job, two.host)
    turn = board.give()
    assert turn
    assert turn.job == "3"


@pytest.mark.parametrize("slots", [1, 3, 24])
def test_a_forecast_uses_each_slot_once_at_a_time(slots: int) -> None:
    work = works(*map(str, range(100)))
    bars = forecast(work, {"a": slots, "b": 2}, lambda job, _: 1.0 + int(job) % 7, slots + 2)
    assert len(bars) == 100
    by_slot: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for bar in bars:
        by_slot.setdefault((bar.host, bar.slot), []).append((bar.begin, bar.end))
    assert len(by_slot) == slots + 2
    for times in by_slot.values():
        assert all(one[1] <= other[0] for one, other in pairwise(sorted(times)))


@given(
    st.lists(st.floats(1, 1000), min_size=1, max_size=60),
    st.integers(1, 8),
    st.integers(1, 3),
)
def test_longest_first_is_never_worse_than_graham_says(
    seconds: list[float], slots: int, hosts: int
) -> None:
    jobs = [f"j{number}" for number in range(len(seconds))]
    known = {job: took(length) for job, length in zip(jobs, seconds, strict=True)}
    names = tuple(f"h{number}" for number in range(hosts))
    work = [Work(job=job, hosts=names) for job in in_order(jobs, known, slots * hosts)]
    bars = forecast(work, dict.fromkeys(names, slots), lambda job, _: known[job].long, 10_000)
    bound = lower_bound(seconds, slots * hosts)
    assert sorted(bar.job for bar in bars) == sorted(jobs)
    # Any list schedule ends within total/m + longest.
    assert bound <= makespan(bars) * (1 + 1e-9)
    assert makespan(bars) <= (sum(seconds) / (slots * hosts) + max(seconds)) * (1 + 1e-9)


@given(st.data())
def test_whatever_happens_each_job_is_given_out_once_and_all_are(data: st.DataObject) -> None:
    hosts = {"a": data.draw(st.integers(1, 3)), "b": data.draw(st.integers(1, 3))}
    fits = st.sampled_from([("a",), ("b",), BOTH, ()])
    work = [
        Work(job=str(number), hosts=data.draw(fits), needs=data.draw(st.sampled_from("xy")))
        for number in range(data.draw(st.integers(1, 15)))
    ]
    seen = Seen()
    seen.places = {one.job: () for one in work if one.needs == "y"}
    held = {"a": data.draw(st.integers(0, 3)), "b": 0}
    board = Board(work, hosts, seen, held)
    running: list[str] = []
    done: list[str] = []
    while board.open or running:
        turn = board.give() if data.draw(st.booleans()) else None
        if turn:
            assert turn.job not in [*running, *done]
            running.append(turn.job)
        elif running:
            job = running.pop(data.draw(st.integers(0, len(running) - 1)))
            board.over(job)
            done.append(job)
        else:
            seen.places = {}
            again = board.give()
            assert again, "an idle flight has something to give out"
            running.append(again.job)
    assert sorted(done) == sorted(one.job for one in work)
