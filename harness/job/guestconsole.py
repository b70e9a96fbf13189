"""What a suite says to a guest's console, and hears from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

from harness.console.feed import Ending, RecorderSpawn
from harness.console.recorder import ConsoleRecorder
from harness.errors import GuestFailure
from harness.wait import Deadline

EXPECT_TIMEOUT = timedelta(seconds=30)
"""On hardware."""


class GuestConsole:
    """A guest's serial console, from position *start* of what *recorder* has of it.

    All of it is recorded anyway: to expect something takes nothing away from anybody.
    """

    def __init__(
        self,
        recorder: ConsoleRecorder,
        *,
        start: int,
        stretched: Callable[[timedelta], timedelta],
        waiting: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.start = start
        self._recorder = recorder
        self._feed = RecorderSpawn(recorder, start=start, returns=False)
        self._stretched = stretched
        self._waiting = waiting

    def expect(
        self, pattern: str | re.Pattern[str], *, timeout: timedelta = EXPECT_TIMEOUT
    ) -> re.Match[str]:
        """The first match of *pattern* in what came since the last one, and comes.

        The first search begins where the present boot does. In a pattern that is text, ``^`` and
        ``$`` are the ends of a line; carriage returns are left out, and nothing longer than 1024
        characters is found. *timeout* is
        meant for hardware. `GuestFailure`: ``not-said``, or ``console-ended``.
        """
        wanted = re.compile(pattern, re.MULTILINE) if isinstance(pattern, str) else pattern
        bound = self._stretched(timeout)
        with self._waiting():
            found = self._feed.expect_any([wanted], Deadline.after(bound, self._recorder.clock))
            match = self._feed.match
            if isinstance(found, Ending) or not isinstance(match, re.Match):
                raise self._failure(wanted, found, bound)
        return match

    def send(self, text: str) -> None:
        """Type *text* as it is; Enter is ``\\r``. `LabError` when the console is gone."""
        self._feed.send(text)

    def _failure(
        self, wanted: re.Pattern[str], found: int | Ending, bound: timedelta
    ) -> GuestFailure:
        ended = found is Ending.ENDED
        how = "ended, and" if ended else f"was read for {bound.total_seconds():g} s, and"
        return GuestFailure(
            f"the console of {self._recorder.name} {how} did not say {wanted.pattern!r}",
            phase="console",
            failure_class="console-ended" if ended else "not-said",
            evidence=self._recorder.tail(),
        )
