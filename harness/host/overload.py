"""Watches a host's pressure while its guests are waited for, at the price of one `grep`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from harness.errors import DeadlineExceeded
from harness.host.pressure import READ_PRESSURE, Pressure, Sample, between, read_sample
from harness.remote.command import Runner
from harness.wait import SYSTEM_CLOCK, Clock

INTERVAL = 10.0
"""Seconds between two samples."""
ANSWERS = timedelta(seconds=20)
"""How long dom0 may take to read a few lines of /proc, times the host's timeout factor."""
_KEPT = 360
T = TypeVar("T")


class PressureWatch:
    """Samples dom0 behind *runner*. `HostLost` goes through: then nothing can be said."""

    def __init__(self, runner: Runner, *, factor: float = 1.0, clock: Clock = SYSTEM_CLOCK) -> None:
        self._runner = runner
        self._patience = ANSWERS * factor
        self._clock = clock
        self._samples: deque[tuple[float, Sample]] = deque(maxlen=_KEPT)
        self._next = float("-inf")

    def sample(self) -> None:
        """Look at dom0 if it is time to; call it as often as you like."""
        if self._clock.monotonic() < self._next:
            return
        self._next = self._clock.monotonic() + INTERVAL
        try:
            self._look()
        except DeadlineExceeded:
            # It may recover; if not, `overload` finds it out.
            return

    def along(self, ask: Callable[[], T]) -> Callable[[], T]:
        """*ask*, which is called again and again, with a look at dom0 before it."""

        def asked() -> T:
            self.sample()
            return ask()

        return asked

    def pressure(self, seconds: float) -> Pressure | None:
        """Over the last *seconds*, as far as there are samples; None if dom0 tells nothing.

        Raises `DeadlineExceeded` when dom0 does not answer.
        """
        now = self._clock.monotonic()
        last = self._look()
        if last is None:
            return None
        old = [sample for at, sample in self._samples if at <= now - seconds]
        return between(old[-1] if old else self._samples[0][1], last)

    def overload(self, seconds: float) -> str | None:
        """In words how the host was overloaded in the last *seconds*; None if it was not."""
        try:
            found = self.pressure(seconds)
        except DeadlineExceeded:
            return f"dom0 did not even read its own /proc in {self._patience.total_seconds():g} s"
        return found.overload if found else None

    def _look(self) -> Sample | None:
        at = self._clock.monotonic()
        result = self._runner.run(READ_PRESSURE, timeout=self._patience, check=False)
        sample = read_sample(result.stdout)
        if sample:
            self._samples.append((at, sample))
        return sample
