"""Time as a number, and a process that goes by it."""

from __future__ import annotations

import gc
import threading
from datetime import timedelta
from functools import partial

import pytest

from harness.errors import DeadlineExceeded
from harness.sim.clock import EPOCH, Bell, SimClock
from harness.wait import SYSTEM_CLOCK, Deadline, MachineClock, NotYet, wait_for

SECOND = timedelta(seconds=1)


def test_it_passes_only_when_somebody_waits() -> None:
    clock = SimClock()
    assert (clock.monotonic(), clock.time_of_day()) == (0.0, EPOCH)
    clock.sleep(90)
    clock.sleep(-1)
    assert (clock.monotonic(), clock.time_of_day()) == (90.0, EPOCH + 90)


def test_what_is_due_happens_on_the_way_and_in_order() -> None:
    clock = SimClock()
    seen: list[tuple[str, float]] = []

    def note(name: str) -> None:
        seen.append((name, clock.monotonic()))

    def make_another() -> None:
        clock.after(1, lambda: note("made on the way"))

    clock.after(5, lambda: note("late"))
    clock.after(2, make_another)
    clock.after(2, lambda: note("second of two"))
    clock.after(3, lambda: note("cancelled")).cancel()
    clock.after(60, lambda: note("never"))
    clock.sleep(10)
    assert seen == [("second of two", 2.0), ("made on the way", 3.0), ("late", 5.0)]
    assert clock.monotonic() == 10.0


def test_a_step_goes_to_the_next_thing_and_no_further() -> None:
    clock = SimClock()
    clock.after(1, lambda: None).cancel()
    clock.after(3, lambda: None)
    clock.step(2.0)
    assert clock.monotonic() == 2.0
    clock.step(10.0)
    assert clock.monotonic() == 3.0
    clock.step(10.0)
    assert clock.monotonic() == 10.0


def test_turns_are_taken_until_one_is_the_last() -> None:
    clock = SimClock()
    turns: list[float] = []

    def turn(patience: timedelta) -> bool:
        assert patience == timedelta(0), "nobody waits here"
        turns.append(clock.monotonic())
        return len(turns) < 3

    clock.repeat(turn, 15 * SECOND, "beat")
    clock.sleep(100)
    assert turns == [15.0, 30.0, 45.0]


def test_who_joins_has_the_last_turn_taken_at_once() -> None:
    clock = SimClock()
    over = False
    turns = 0

    def turn(patience: timedelta) -> bool:
        nonlocal turns
        turns += 1
        return not over

    work = clock.repeat(turn, 15 * SECOND, "beat")
    work.join(SECOND)
    assert clock.monotonic() == 1.0, "it was not over in time"
    over, before = True, turns
    work.join(10 * SECOND)
    work.join(10 * SECOND)
    clock.sleep(100)
    assert turns == before + 1
    assert clock.monotonic() == 101.0


def test_a_process_can_be_driven_by_it_and_gets_its_own_time_back() -> None:
    clock = SimClock()
    tries = 0

    def never() -> None:
        nonlocal tries
        tries += 1
        msg = "still not"
        raise NotYet(msg)

    before = SYSTEM_CLOCK.monotonic()
    with SYSTEM_CLOCK.driven_by(clock):
        assert SYSTEM_CLOCK.monotonic() == 0.0
        with pytest.raises(DeadlineExceeded, match=r"waited 3600.0 s for it; last seen: still not"):
            wait_for(never, what="it", deadline=Deadline.after(3600 * SECOND), interval=SECOND)
        assert clock.monotonic() == 3600.0
    assert tries == 3601
    assert 0 <= SYSTEM_CLOCK.monotonic() - before < 60


def test_the_old_time_comes_back_after_an_error_too() -> None:
    clock = SimClock()
    with pytest.raises(KeyError), SYSTEM_CLOCK.driven_by(clock), SYSTEM_CLOCK.driven_by(SimClock()):
        raise KeyError
    now = SYSTEM_CLOCK.monotonic()
    clock.sleep(1000)
    assert SYSTEM_CLOCK.monotonic() - now < 60


def test_a_machines_work_goes_on_in_a_thread() -> None:
    left = [3]

    def turn(patience: timedelta) -> bool:
        assert patience == SECOND
        left[0] -= 1
        return left[0] > 0

    MachineClock().repeat(turn, SECOND, "countdown").join(10 * SECOND)
    assert left == [0]


def test_lines_of_work_go_on_at_the_same_time() -> None:
    clock = SimClock()
    seen: list[tuple[str, float]] = []

    def line(name: str, pace: float) -> None:
        for _ in range(3):
            clock.sleep(pace)
            seen.append((name, clock.monotonic()))

    clock.together(lambda: line("slow", 5.0), lambda: line("quick", 2.0))
    assert seen == [
        *[("quick", 2.0), ("quick", 4.0), ("slow", 5.0)],
        *[("quick", 6.0), ("slow", 10.0), ("slow", 15.0)],
    ]


def test_one_that_waits_for_another_sees_what_that_did() -> None:
    clock = SimClock()
    done: list[float] = []

    def check() -> None:
        if not done:
            msg = "not done"
            raise NotYet(msg)

    def wait() -> None:
        wait_for(check, what="the other", deadline=Deadline.after(60 * SECOND, clock))
        done.append(clock.monotonic())

    def act() -> None:
        clock.sleep(10)
        done.append(clock.monotonic())

    clock.together(wait, act)
    assert done[0] == 10.0
    assert done[1] == pytest.approx(10.0, abs=0.5)


def test_what_goes_wrong_in_a_line_is_told_when_all_are_over() -> None:
    clock = SimClock()
    seen: list[str] = []

    def fail() -> None:
        clock.sleep(1)
        msg = "this line"
        raise ValueError(msg)

    def go_on() -> None:
        clock.sleep(5)
        seen.append("done")

    with pytest.raises(ValueError, match="this line"):
        clock.together(fail, go_on)
    assert seen == ["done"]
    clock.together(go_on)
    assert seen == ["done", "done"]


def test_ctrl_c_is_for_the_main_line() -> None:
    clock = SimClock()
    seen: list[str] = []

    def press() -> None:
        clock.interrupt()
        clock.sleep(5)
        seen.append("what goes on beside it ends first")

    clock.after(1, press)
    with pytest.raises(KeyboardInterrupt):
        clock.sleep(2)
    assert seen
    clock.sleep(2)


def test_work_in_a_pool_is_done_where_it_is_asked_for() -> None:
    clock = SimClock()

    def fail() -> None:
        clock.sleep(3)
        msg = "no"
        raise ValueError(msg)

    with clock.pool(4, "work") as pool:
        assert pool.submit(lambda: 7).result() == 7
        assert isinstance(pool.submit(fail).exception(), ValueError)
    assert clock.monotonic() == 3.0


def test_a_thousand_things_beside_each_other_are_not_one_within_the_other() -> None:
    """Each of them waits, and none within a wait of another: that would be too deep for Python."""
    clock = SimClock()
    seen: list[float] = []

    def work() -> None:
        for _ in range(3):
            SYSTEM_CLOCK.sleep(1.0)
        seen.append(clock.monotonic())

    with SYSTEM_CLOCK.driven_by(clock):
        works = [SYSTEM_CLOCK.beside(work, str(number)) for number in range(1000)]
        for one in works:
            one.join(timedelta(minutes=1))
    assert seen == [3.0] * 1000
    assert clock.monotonic() == 3.0


def test_nobody_waits_for_what_goes_on_beside_longer_than_was_said() -> None:
    clock = SimClock()
    with SYSTEM_CLOCK.driven_by(clock):
        work = SYSTEM_CLOCK.beside(lambda: SYSTEM_CLOCK.sleep(60), "slow")
        work.join(10 * SECOND)
        assert clock.monotonic() == 10.0
        work.join(timedelta(minutes=5))
        assert clock.monotonic() == 60.0


def test_turns_that_wait_are_not_one_within_the_other() -> None:
    """As many as there are hosts look at theirs each minute, and each look takes a moment."""
    clock = SimClock()
    taken: list[int] = []

    def turn(number: int, patience: timedelta) -> bool:
        del patience
        clock.sleep(1.0)
        taken.append(number)
        return False

    works = [clock.repeat(partial(turn, number), SECOND, "look") for number in range(1000)]
    clock.sleep(1.5)
    assert not taken, "they wait at the same time"
    for work in works:
        work.join(SECOND)
    assert taken == list(range(1000))
    assert clock.monotonic() == 2.0


def test_who_waits_for_one_thing_is_not_woken_by_others() -> None:
    clock = SimClock()
    bell = Bell()
    woken: list[float] = []

    def wait() -> None:
        for _ in range(2):
            clock.await_bell(bell, 10.0)
            woken.append(clock.monotonic())

    def make_noise() -> None:
        for _ in range(100):
            clock.sleep(0.01)
        clock.sleep(3.0)
        bell.ring()
        bell.ring()

    clock.together(wait, make_noise)
    assert woken == pytest.approx([4.0, 10.0])


def test_threads_are_used_again_and_end_with_the_simulation() -> None:
    before = set(threading.enumerate())

    def simulate() -> set[threading.Thread]:
        clock = SimClock()
        for _ in range(50):
            clock.together(partial(clock.sleep, 1.0), partial(clock.sleep, 2.0))
        return set(threading.enumerate()) - before

    made = simulate()
    assert len(made) == 2
    gc.collect()
    for thread in made:
        thread.join(10)
    assert not any(thread.is_alive() for thread in made)


def test_an_error_in_a_turn_ends_the_turns_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimClock()
    told: list[str] = []
    monkeypatch.setattr("threading.excepthook", lambda it: told.append(str(it.exc_value)))
    turns = 0

    def turn(patience: timedelta) -> bool:
        nonlocal turns
        turns += 1
        msg = "a bug"
        raise ValueError(msg)

    work = clock.repeat(turn, SECOND, "look")
    clock.sleep(10)
    work.join(SECOND)
    assert turns == 1
    assert told == ["a bug"]
    assert clock.monotonic() == 10.0
