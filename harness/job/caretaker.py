"""What a flight's controller does about its host while jobs run: it looks, and it is asked."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from harness.errors import LabError
from harness.flight.model import HostSpec
from harness.flight.plan import Plan
from harness.job.care import CareAnswer, CareRequest, HostCare, Want
from harness.job.hostwatch import HostWatch, HostWays
from harness.job.proving import CanaryMaker, Proving
from harness.job.rescue import Rescue
from harness.job.revive import Revival
from harness.power.choose import power_of
from harness.power.model import Power
from harness.progress import Progress
from harness.results.recorder import FlightRecorder
from harness.wait import SYSTEM_CLOCK, Clock, Repetition

LOOK = timedelta(minutes=1)
"""How often the host is asked who uses it. The first time at once: one that dies before that is
known may not be power-cycled."""
STOP_TIMEOUT = timedelta(minutes=5)
"""For a canary that was interrupted to be removed, times the host's timeout factor."""


class Caretaker:
    """Answers what `HostCare` asks of the host of *spec*, beside all else the controller does."""

    def __init__(
        self,
        spec: HostSpec,
        plan: Plan,
        directory: Path,
        recorder: FlightRecorder,
        progress: Progress,
        ways: HostWays,
        *,
        power: Power | None = None,
        canary: CanaryMaker | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._factor = max(1.0, spec.timeout_factor)
        self._clock = clock
        self._care = HostCare(directory, spec.name, clock)
        self._stopping = threading.Event()
        self._work: Repetition | None = None
        self._works = False
        self._look_at = clock.monotonic()
        place = self._care.path
        revival = self._revival = Revival(spec.name, ways.connect, self._stopping, clock=clock)
        self.watch = HostWatch(spec, plan, ways, revival, progress, clock)
        self._rescue = Rescue(
            spec,
            plan,
            place,
            recorder,
            progress,
            watch=self.watch,
            revival=revival,
            power=power or power_of(spec),
            clock=clock,
        )
        self._proving = Proving(
            spec, plan, place, recorder, progress, watch=self.watch, ways=ways, canary=canary
        )

    @property
    def longest(self) -> timedelta:
        """How long the answer to a request may take, with another before it."""
        return self._rescue.longest + self._proving.longest

    def tend(self, *, asked: bool) -> None:
        """Answer what is *asked*, or look if it is time to, unless it does so already.

        Returns at once: that is done beside all else, in one piece of work after the other.
        """
        if self._works or self._stopping.is_set():
            return
        if asked or self._clock.monotonic() >= self._look_at:
            self._works = True
            self._work = SYSTEM_CLOCK.beside(self._serve, "host caretaker")

    def stop(self) -> None:
        """No more; what is under way is ended, and cleaned up behind.

        Waited for once: who calls again was interrupted, and leaves it to the reaper.
        """
        again = self._stopping.is_set()
        self._stopping.set()
        self._proving.stop()
        if self._work:
            self._work.join(timedelta(seconds=1) if again else STOP_TIMEOUT * self._factor)

    def answer_all(self) -> None:
        """Answer what is asked; each is answered, whatever goes wrong."""
        for request in self._care.pending():
            if self._stopping.is_set():
                return
            answer = CareAnswer(said="it was interrupted")
            try:
                answer = self._answer(request)
            except LabError as error:
                answer = CareAnswer(said=str(error))
            except Exception as error:  # noqa: BLE001 nobody else would tell those who wait
                answer = CareAnswer(said=f"{type(error).__name__}: {error}")
            finally:
                with suppress(LabError):
                    self._care.answer(
                        request, answer.model_copy(update={"at": SYSTEM_CLOCK.time_of_day()})
                    )

    def _answer(self, request: CareRequest) -> CareAnswer:
        match request.want:
            case Want.POWER:
                return self._rescue.answer(request)
            case Want.CANARY:
                # A job that found nobody there has no evidence to take, and asks for no power.
                if not self._rescue.is_off() and (host := self._revival.answers()):
                    host.close()
                else:
                    self._rescue.answer(request)
                return self._proving.answer(request)

    def _serve(self) -> None:
        try:
            self.answer_all()
            if not self._stopping.is_set() and self._clock.monotonic() >= self._look_at:
                self._look()
                self._look_at = self._clock.monotonic() + LOOK.total_seconds()
        finally:
            self._works = False

    def _look(self) -> None:
        # Whatever a host says, or a bug makes of it: requests are to be answered all the same.
        with suppress(Exception):
            self.watch.look()
