"""Waiting: the only place that sleeps, and nothing waits without a deadline.

A check returns its value when it is done, and raises `NotYet` with the reason when it is
not; the timeout then quotes the last reason (osstest's ``poll_loop`` has the same rule).

All of a process goes by `SYSTEM_CLOCK`. A simulation may drive it by a clock of its own
(`harness.sim`); nothing else does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar

from harness.errors import DeadlineExceeded

T = TypeVar("T")
_NO_TIME = timedelta(0)


class Clock(Protocol):
    """Where time comes from; a test gives one that jumps."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass."""
        ...


Turn = Callable[[timedelta], bool]
"""Does a part of some work, for which it waits as long as it is told at most; whether there is
more to do."""


class Repetition(Protocol):
    """Work that goes on beside all else."""

    def join(self, timeout: timedelta) -> None:
        """Wait until it is over, or *timeout* is; never raises."""
        ...


class TimeSource(Clock, Protocol):
    """Where the time of a whole process comes from, and what happens in it beside its main line."""

    def time_of_day(self) -> float:
        """Seconds since 1970."""
        ...

    def repeat(self, turn: Turn, every: timedelta, name: str) -> Repetition:
        """Take one *turn* after the other, each with *every* to wait, until one says it is over."""
        ...

    def pool(self, count: int, name: str) -> Executor:
        """Does pieces of work, *count* of them at the same time."""
        ...


class MachineClock:
    """The machine's own clock, and its threads."""

    def monotonic(self) -> float:
        """Seconds, unaffected by changes of the wall clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep for *seconds*; a negative number is nothing."""
        time.sleep(max(0.0, seconds))

    def time_of_day(self) -> float:
        """See `TimeSource.time_of_day`."""
        return time.time()

    def repeat(self, turn: Turn, every: timedelta, name: str) -> Repetition:
        """In a thread that does not hold up the end of the process."""
        return _Thread(turn, every, name)

    def pool(self, count: int, name: str) -> Executor:
        """In threads."""
        return ThreadPoolExecutor(count, thread_name_prefix=name)


class _Thread:
    def __init__(self, turn: Turn, every: timedelta, name: str) -> None:
        def work() -> None:
            while turn(every):
                pass

        self._thread = threading.Thread(target=work, name=name, daemon=True)
        self._thread.start()

    def join(self, timeout: timedelta) -> None:
        self._thread.join(timeout.total_seconds())


class Alarm:
    """Something that is to happen; `cancel` it, and it does not."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """It shall not happen; harmless when it has."""
        self._cancelled.set()

    def waits(self, patience: timedelta) -> bool:
        """Wait as long as that, unless it is cancelled; whether it is."""
        return self._cancelled.wait(patience.total_seconds())


class SystemClock:
    """What this process goes by: the machine's clock, unless a simulation drives it."""

    def __init__(self) -> None:
        self._source: TimeSource = MachineClock()

    def monotonic(self) -> float:
        """Seconds since some fixed moment, which changes only with the source."""
        return self._source.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass; a negative number is nothing."""
        self._source.sleep(seconds)

    def time_of_day(self) -> float:
        """Seconds since 1970."""
        return self._source.time_of_day()

    def repeat(self, turn: Turn, every: timedelta, name: str) -> Repetition:
        """See `TimeSource.repeat`."""
        return self._source.repeat(turn, every, name)

    def pool(self, count: int, name: str) -> Executor:
        """See `TimeSource.pool`."""
        return self._source.pool(count, name)

    def beside(self, work: Callable[[], None], name: str) -> Repetition:
        """Do *work* beside the main line, once; it must tell by itself what becomes of it."""

        def turn(patience: timedelta) -> bool:
            del patience
            work()
            return False

        return self._source.repeat(turn, _NO_TIME, name)

    def after(self, timeout: timedelta, act: Callable[[], None], name: str) -> Alarm:
        """Have *act* happen *timeout* from now, beside the main line, unless that is cancelled."""
        alarm = Alarm()

        def turn(patience: timedelta) -> bool:
            if not alarm.waits(patience):
                act()
            return False

        self._source.repeat(turn, timeout, name)
        return alarm

    @contextmanager
    def driven_by(self, source: TimeSource) -> Iterator[None]:
        """For the length of a block the whole process goes by *source*: for simulations only.

        Nothing that talks to the world outside may be under way.
        """
        before, self._source = self._source, source
        try:
            yield
        finally:
            self._source = before


SYSTEM_CLOCK = SystemClock()


class NotYet(Exception):
    """Raised by a check: not done; the message says what it saw instead."""


@dataclass(frozen=True)
class Deadline:
    """A moment after which waiting stops. Make one with `Deadline.after`."""

    at: float
    clock: Clock = field(default=SYSTEM_CLOCK, repr=False)

    @classmethod
    def after(cls, timeout: timedelta, clock: Clock = SYSTEM_CLOCK) -> Deadline:
        """The moment *timeout* from now."""
        return cls(clock.monotonic() + timeout.total_seconds(), clock)

    @property
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - self.clock.monotonic())

    @property
    def expired(self) -> bool:
        """Whether the moment has passed."""
        return self.clock.monotonic() >= self.at

    def sooner(self, timeout: timedelta) -> Deadline:
        """The earlier of this deadline and *timeout* from now."""
        return Deadline(min(self.at, self.clock.monotonic() + timeout.total_seconds()), self.clock)


def wait_for(
    check: Callable[[], T],
    *,
    what: str,
    deadline: Deadline,
    interval: timedelta = timedelta(milliseconds=250),
) -> T:
    """Call *check* until it returns, and give back what it returned.

    Raises `DeadlineExceeded`, naming *what* and the last reason, when *check* still raised
    `NotYet` at the deadline. The check is always tried at least once.
    """
    started = deadline.clock.monotonic()
    while True:
        try:
            return check()
        except NotYet as reason:
            if deadline.expired:
                waited = deadline.clock.monotonic() - started
                msg = f"waited {waited:.1f} s for {what}; last seen: {reason}"
                raise DeadlineExceeded(msg) from reason
        deadline.clock.sleep(min(interval.total_seconds(), deadline.remaining))
