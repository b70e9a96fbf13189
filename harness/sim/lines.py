"""Lines of work that go on at the same time in one simulation, such as those of two controllers.

Each has a thread, and only one of all threads runs at any time: whoever lets time pass stands still
until it has passed. So what they do comes in the same order every time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

Work = Callable[[], object]


class Line:
    """One of them. All but `stand_still` is for whoever keeps the clock."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self.over = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="line of work", daemon=True)
        self._thread.start()

    @property
    def ident(self) -> int:
        """Its thread's."""
        assert self._thread.ident is not None
        return self._thread.ident

    def go_on(self) -> None:
        """Let it run until it stands still, or is over."""
        self._go.release()
        self._back.acquire()

    def stand_still(self) -> None:
        """In its own thread: until `go_on`."""
        self._back.release()
        self._go.acquire()

    def _run(self) -> None:
        self._go.acquire()
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  # it is raised where they are waited for
            self.error = error
        finally:
            self.over = True
            self._back.release()
