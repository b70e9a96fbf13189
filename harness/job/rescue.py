"""A job found the host dead: is it, may it be power-cycled, and does it come back?"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from harness.errors import LabError
from harness.flight.model import HostSpec
from harness.flight.plan import Plan
from harness.host.health import EventKind, HealthEvent
from harness.host.slots import whoami
from harness.job.care import CONSOLE, CareAnswer, CareRequest
from harness.job.evidence import secrets_mask
from harness.job.hostwatch import HostWatch
from harness.job.revive import OLDEST, Revival, why_not
from harness.job.secrets import FlightSecrets
from harness.power.model import Power, PowerState
from harness.progress import Progress
from harness.results.recorder import FlightRecorder
from harness.units import human_seconds
from harness.wait import SYSTEM_CLOCK, Clock

CONFIRM = timedelta(minutes=3)
"""To find out that the host is really dead, and to switch its power; times its timeout factor."""


class Rescue:
    """Power-cycles the host of *spec* once at most. *directory* takes what its console said."""

    def __init__(
        self,
        spec: HostSpec,
        plan: Plan,
        directory: Path,
        recorder: FlightRecorder,
        progress: Progress,
        *,
        watch: HostWatch,
        revival: Revival,
        power: Power | None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._spec = spec
        self._plan = plan
        self._name = spec.name
        self._directory = directory
        self._recorder = recorder
        self._progress = progress
        self._watch = watch
        self._revival = revival
        self._power = power
        self._clock = clock
        self._factor = max(1.0, spec.timeout_factor)
        self._cycled: CareAnswer | None = None

    @property
    def longest(self) -> timedelta:
        """How long an answer may take."""
        terms = self._spec.power_terms
        return CONFIRM * self._factor + (terms.boot_timeout if terms else timedelta(0))

    def answer(self, request: CareRequest) -> CareAnswer:
        """What became of the host; in its own words why nothing was done."""
        cycled, terms = self._cycled, self._spec.power_terms
        if cycled and not cycled.rebooted and request.at <= cycled.at:
            # Asked while that was tried.
            return cycled
        self._progress(f"{request.job} lost {self._name}: does that answer?")
        # One without power can't, and to try takes minutes.
        if not self.is_off() and (host := self._revival.answers()):
            said = cycled.said if cycled else "it answers again"
            self._watch.back(host, said)
            rebooted = self._watch.rebooted_since(request.since)
            return CareAnswer(said=said, rebooted=rebooted)
        if cycled:
            return CareAnswer(said="it was power-cycled once in this flight, and not again")
        if not self._plan.power_cycle:
            return CareAnswer(said="it was not power-cycled: this run forbids it")
        why = why_not(terms, self._power, self._watch.seen, OLDEST * self._factor)
        if why or terms is None or self._power is None:
            return CareAnswer(said=f"it was not power-cycled: {why}")
        answer = self._cycle(self._power, terms.boot_timeout)
        self._cycled = answer.model_copy(update={"at": SYSTEM_CLOCK.time_of_day()})
        return self._cycled

    def is_off(self) -> bool:
        """Whether the host is known to have no power: then nobody needs to knock."""
        with suppress(LabError):
            return self._power is not None and self._power.status() is PowerState.OFF
        return False

    def _cycle(self, power: Power, boot_timeout: timedelta) -> CareAnswer:
        began, before = self._clock.monotonic(), self._watch.boot
        self._save_console(power)
        self._progress(f"power-cycling {self._name} by {power.name}")
        try:
            said = self._revival.cycle(power, boot_timeout)
        except LabError as error:
            said = f"it could not be power-cycled: {error}"
            self._recorder.problem(f"{self._name} does not answer; {said}")
            return CareAnswer(said=said)
        try:
            host = self._revival.wait_back(before or None, boot_timeout)
        except LabError as error:
            said = f"{said}, but {error.message}{_power_now(power)}"
            self._recorder.problem(f"{self._name} does not answer; {said}")
            return CareAnswer(said=said)
        said = f"{said}, and back after {human_seconds(self._clock.monotonic() - began)}"
        self._recorder.problem(f"{self._name} did not answer; {said}")
        try:
            self._watch.back(host, said)
        except LabError as error:
            self._recorder.problem(f"{self._name} is back, but {error}")
        boot = self._watch.boot
        event = HealthEvent(kind=EventKind.POWER, by=whoami(), boot=boot, reason=said)
        self._watch.note(event)
        return CareAnswer(said=said, rebooted=True)

    def _save_console(self, power: Power) -> None:
        """What tells of its death: it may be overwritten when it boots."""
        try:
            if said := power.log():
                mask = secrets_mask(FlightSecrets.of(self._plan.flight_id))
                path = self._directory / CONSOLE
                path.touch(mode=0o600)
                path.write_bytes(mask.tail(said))
        except (LabError, OSError) as error:
            self._progress(f"nothing was had from {power.name}: {error}")


def _power_now(power: Power) -> str:
    with suppress(LabError):
        return f"; {power.name} says that its power is {power.status()}"
    return ""
