"""Waiting: the only place that sleeps, and nothing waits without a deadline.

A check returns its value when it is done, and raises `NotYet` with the reason when it is
not; the timeout then quotes the last reason (osstest's ``poll_loop`` has the same rule).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar

from harness.errors import DeadlineExceeded

T = TypeVar("T")


class Clock(Protocol):
    """Where time comes from; a test gives one that jumps."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass."""
        ...


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Seconds, unaffected by changes of the wall clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep for *seconds*; a negative number is nothing."""
        time.sleep(max(0.0, seconds))


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
