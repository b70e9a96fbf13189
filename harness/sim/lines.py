"""Lines of work that go on at the same time in one simulation, such as those of two controllers.

Each has a thread, and only one of all threads runs at any time: whoever lets time pass stands still
until it has passed. So what they do comes in the same order every time.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Work = Callable[[], object]


class _Hand:
    """A thread that does one piece of work after the other."""

    def __init__(self) -> None:
        # Locks, which whoever waits takes and another gives: Python's own semaphores are slower.
        self.go, self.back = threading.Lock(), threading.Lock()
        self.go.acquire()
        self.back.acquire()
        self.work: Work | None = None
        self._thread = threading.Thread(target=self._run, name="line of work", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            self.go.acquire()
            work, self.work = self.work, None
            if work is None:
                return
            work()
            # It may hold the whole simulation, which ends these threads when it is gone.
            del work
            self.back.release()


class Line:
    """One of them. All but `stand_still` is for whoever keeps the clock."""

    def __init__(self, work: Work, crew: Crew) -> None:
        self._work = work
        self._crew = crew
        self._hand: _Hand | None = None
        self.over = False
        self.error: BaseException | None = None

    def go_on(self) -> None:
        """Let it run until it stands still, or is over."""
        hand = self._hand
        if hand is None:
            hand = self._hand = self._crew.take()
            hand.work = self._run
        hand.go.release()
        hand.back.acquire()
        if self.over:
            self._crew.give_back(hand)

    def stand_still(self) -> None:
        """In its own thread: until `go_on`."""
        assert self._hand, "it runs"
        self._hand.back.release()
        self._hand.go.acquire()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  # it is raised where they are waited for
            self.error = error
        finally:
            self.over = True


class Crew:
    """The threads of a simulation: no more of them than there ever were lines at a time. They end
    with it."""

    def __init__(self) -> None:
        self._idle: list[_Hand] = []
        weakref.finalize(self, _dismiss, self._idle)

    def begin(self, work: Work) -> Line:
        """A line that does *work*, once it may go on."""
        return Line(work, self)

    def take(self) -> _Hand:
        """A thread for a line."""
        return self._idle.pop() if self._idle else _Hand()

    def give_back(self, hand: _Hand) -> None:
        """Its line is over."""
        self._idle.append(hand)


@contextmanager
def told_as_a_threads() -> Iterator[None]:
    """An error in the block ends it, and is told as the one that ends a thread is."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001  # whatever ends a thread
        told = (type(error), error, error.__traceback__, threading.current_thread())
        threading.excepthook(threading.ExceptHookArgs(told))


def _dismiss(hands: list[_Hand]) -> None:
    for hand in hands:
        hand.work = None
        hand.go.release()
