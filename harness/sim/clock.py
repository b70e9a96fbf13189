"""Time as a number: it passes when somebody waits, and what is due happens on the way."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from datetime import timedelta
from typing import ParamSpec, TypeVar

from harness.sim.lines import Crew, Line, Work, told_as_a_threads
from harness.wait import Repetition, Turn

P = ParamSpec("P")
T = TypeVar("T")

EPOCH = 1_800_000_000.0
"""The time of day at which a simulation begins: seconds since 1970."""
_NO_TIME = timedelta(0)


class Alarm:
    """Something that is to happen at a moment, unless it is cancelled."""

    def __init__(self, at: float, act: Callable[[], object]) -> None:
        self.at = at
        self._act: Callable[[], object] | None = act

    @property
    def cancelled(self) -> bool:
        """Whether nothing will happen."""
        return self._act is None

    def cancel(self) -> None:
        """It shall not happen; harmless when it has."""
        self._act = None

    def ring(self) -> None:
        """Let it happen, once."""
        act, self._act = self._act, None
        if act:
            act()


class Bell:
    """By which a line that waits for one thing only is woken: see `SimClock.await_bell`."""

    def __init__(self) -> None:
        self._wake: Callable[[], object] | None = None

    def ring(self) -> None:
        """The thing has happened; nothing is done when nobody waits for it."""
        wake, self._wake = self._wake, None
        if wake:
            wake()

    @contextmanager
    def heard(self, wake: Callable[[], object]) -> Iterator[None]:
        """For the length of the block *wake* is called when it rings, once."""
        self._wake = wake
        try:
            yield
        finally:
            self._wake = None


Due = tuple[float, int, Alarm]
"""When, in which order at that moment, and what."""


class SimClock:
    """A `harness.wait.TimeSource` in which nobody waits really. All hosts of a simulation share
    one, and so do those that use them.

    For one thread and the lines of work in `together`: others may only look at the time. What goes
    on beside a main line in real life does so here when that waits, and it waits for that, too.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._alarms: list[Due] = []
        self._looks: list[Due] = []
        """Of lines that look whether something has happened: nothing happens by that itself."""
        self._count = itertools.count()
        self._lines: dict[int, Line] = {}
        self._crew = Crew()
        self._beside = 0
        self._interrupted = False

    def monotonic(self) -> float:
        """Seconds since the simulation began."""
        return self._now

    def time_of_day(self) -> float:
        """Seconds since 1970."""
        return EPOCH + self._now

    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass, and happen what is due within them."""
        self.advance(self._now + max(0.0, seconds))

    def advance(self, until: float) -> None:
        """Go on to the moment *until*. What happens on the way may make more happen."""
        if line := self._lines.get(threading.get_ident()):
            self._set(self._alarms, Alarm(until, line.go_on))
            line.stand_still()
            return
        while due := [heap for heap in (self._alarms, self._looks) if heap and heap[0][0] <= until]:
            at, _, alarm = heapq.heappop(min(due, key=lambda heap: heap[0][:2]))
            self._now = max(self._now, at)
            with self.beside():
                alarm.ring()
        self._now = max(self._now, until)
        if self._interrupted and not self._beside:
            self._interrupted = False
            raise KeyboardInterrupt

    def interrupt(self) -> None:
        """The operator presses Ctrl-C: the main line hears of it, as soon as it waits."""
        self._interrupted = True

    @contextmanager
    def beside(self) -> Iterator[None]:
        """What happens in this block does so beside the main line."""
        self._beside += 1
        try:
            yield
        finally:
            self._beside -= 1

    def step(self, until: float) -> None:
        """Go on to the next thing that happens, but no further than to *until*."""
        while self._alarms and self._alarms[0][2].cancelled:
            heapq.heappop(self._alarms)
        then = min(until, self._alarms[0][0]) if self._alarms else until
        if line := self._lines.get(threading.get_ident()):
            self._set(self._looks, Alarm(then, line.go_on))
            line.stand_still()
        else:
            self.advance(then)

    def await_bell(self, bell: Bell, until: float) -> None:
        """Go on until *bell* rings, but no further than to *until*; a main line sooner, as `step`.

        A line that only looked whether something has happened would be woken by whatever happens
        on any host: of a thousand that wait, by all that the others do.
        """
        line = self._lines.get(threading.get_ident())
        if line is None:
            self.step(until)
            return
        late = self._set(self._looks, Alarm(until, line.go_on))

        def wake() -> None:
            late.cancel()
            self._set(self._looks, Alarm(self._now, line.go_on))

        with bell.heard(wake):
            line.stand_still()

    def after(self, seconds: float, act: Callable[[], object]) -> Alarm:
        """Have *act* happen that much later."""
        return self._set(self._alarms, Alarm(self._now + max(0.0, seconds), act))

    def together(self, *works: Work) -> None:
        """Do all of that at the same time; the first error, when all are over.

        `RuntimeError` when they wait for each other.
        """
        lines = [self.begin(work) for work in works]
        while not all(line.over for line in lines):
            heaps = [heap for heap in (self._alarms, self._looks) if heap]
            if not heaps:
                msg = "all of them wait, and nothing will happen"
                raise RuntimeError(msg)
            self.advance(min(heap[0][0] for heap in heaps))
        if found := next((line.error for line in lines if line.error), None):
            raise found

    def _set(self, heap: list[Due], alarm: Alarm) -> Alarm:
        heapq.heappush(heap, (alarm.at, next(self._count), alarm))
        return alarm

    def repeat(self, turn: Turn, every: timedelta, name: str) -> Repetition:
        """A turn each *every*, none of which waits for that; in lines of their own."""
        del name
        if not every:
            return _Once(self, turn)
        return _Repeated(self, turn, every.total_seconds())

    def begin(self, work: Work) -> Line:
        """Do that as a line of work, which begins as soon as somebody waits."""

        def whole() -> None:
            self._lines[threading.get_ident()] = line
            try:
                work()
            finally:
                del self._lines[threading.get_ident()]

        line = self._crew.begin(whole)
        self.after(0.0, line.go_on)
        return line

    def pool(self, count: int, name: str) -> Executor:
        """Work is done at once, where it is asked for."""
        del count, name
        return Inline(self)


class _Once:
    """A line that takes turns without a pause."""

    def __init__(self, clock: SimClock, turn: Turn) -> None:
        def turns() -> None:
            with told_as_a_threads():
                while turn(_NO_TIME):
                    pass
            self._over.ring()

        self._clock = clock
        self._over = Bell()
        self._line = clock.begin(turns)

    def join(self, timeout: timedelta) -> None:
        """Let time pass until it is over, as long as *timeout* allows."""
        until = self._clock.monotonic() + timeout.total_seconds()
        while not self._line.over and self._clock.monotonic() < until:
            self._clock.await_bell(self._over, until)


class _Repeated:
    """A line for each turn: one turn may let time pass, and others are due meanwhile. Within each
    other a thousand of them would be too deep for Python."""

    def __init__(self, clock: SimClock, turn: Turn, every: float) -> None:
        self._clock = clock
        self._turn = turn
        self._every = every
        self._taken = Bell()
        self._more = True
        self._takes = False
        self._alarm = clock.after(every, self._begin)

    def join(self, timeout: timedelta) -> None:
        """Take turns at once until one is the last, as long as *timeout* allows."""
        until = self._clock.monotonic() + timeout.total_seconds()
        while self._more and self._clock.monotonic() < until:
            if not self._takes:
                self._alarm.cancel()
                self._begin()
            while self._takes and self._clock.monotonic() < until:
                self._clock.await_bell(self._taken, until)
            if self._more:
                self._clock.step(until)

    def _begin(self) -> None:
        self._takes = True
        self._clock.begin(self._take)

    def _take(self) -> None:
        more = False
        with told_as_a_threads():
            more = self._turn(_NO_TIME)
        self._takes, self._more = False, more
        if more:
            self._alarm = self._clock.after(self._every, self._begin)
        self._taken.ring()


class Inline(Executor):
    """Does work at once, where it is asked for: nothing goes on beside it."""

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock

    def submit(self, work: Callable[P, T], /, *arguments: P.args, **options: P.kwargs) -> Future[T]:
        """Do it; what becomes of it is in the future already."""
        future: Future[T] = Future()
        with self._clock.beside():
            try:
                future.set_result(work(*arguments, **options))
            except BaseException as error:  # noqa: BLE001  # as every executor does
                future.set_exception(error)
        return future
