"""Is a host well? A guest that is known to be good is made, booted, proved and removed there."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.errors import HostLost, HostOverloaded, LabError, Starved, XenflightError
from harness.flight.axes import Keep
from harness.flight.model import HostSpec
from harness.flight.plan import SCHEMA_VERSION, Plan
from harness.host.evict import note_use
from harness.host.health import EventKind, HealthEvent, Verdict, note_health, read_health
from harness.host.kept import host_time
from harness.host.lock import HostLock, take_lock
from harness.host.names import run_directory
from harness.host.reaper import reap_run
from harness.host.slots import read_slots, whoami
from harness.host.use import boot_id
from harness.host.xenhost import XenHost
from harness.job.canaryguest import CanaryGuest, Order, RealCanary
from harness.job.knowngood import KnownGood, is_there, read_known_good
from harness.job.secrets import FlightSecrets
from harness.remote.command import Command
from harness.results.model import StepResult
from harness.status import Status
from harness.units import human_seconds
from harness.wait import SYSTEM_CLOCK, Clock, Deadline

FLIGHT = "canary"
LOCK = "canary"
"""On the host: one at a time, of all controllers."""
SLOT_PATIENCE = timedelta(minutes=1)
"""How long it waits for a slot, times the host's timeout factor: jobs wait for its verdict."""
AFTERWARDS = timedelta(minutes=10)
"""How long evidence, removing and waiting for another's canary may take beside, likewise."""
LOCK_TIMEOUT = timedelta(seconds=30)

Make = Callable[[Order], CanaryGuest]
Connect = Callable[[], XenHost]


@dataclass(frozen=True, kw_only=True)
class CanaryResult:
    """What was found."""

    verdict: Verdict
    reason: str
    """Always there, in words."""
    ran: bool = False
    """Whether there was a canary; else the verdict is of something else."""
    seconds: float = 0.0
    job: str = ""
    """Whose guest it was."""
    boot: str = ""


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """Why a canary is run."""

    why: str = ""
    by_hand: bool = False
    """It then runs on a drained host, and however soon after the last one."""


class Canary:
    """Runs canaries on the host of *spec*; each files what it has to show in *directory*."""

    def __init__(
        self,
        spec: HostSpec,
        connect: Connect,
        directory: Path,
        *,
        make: Make = RealCanary,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._spec = spec
        self._connect = connect
        self._directory = directory
        self._make = make
        self._clock = clock
        self._factor = max(1.0, spec.timeout_factor)
        self._host: XenHost | None = None
        self._stopped = False

    @property
    def bound(self) -> timedelta:
        """For one canary, from its slot to its proofs."""
        return self._spec.canary.timeout * self._factor

    @property
    def longest(self) -> timedelta:
        """For `check`, all in all."""
        return self.bound + (SLOT_PATIENCE + AFTERWARDS) * self._factor

    def check(self, occasion: Occasion) -> CanaryResult:
        """The verdict. What goes wrong on the host is one, too.

        `UsageError` when hosts.yaml is why the host can't be reached.
        """
        try:
            self._host = self._connect()
        except LabError as error:
            return CanaryResult(verdict=Verdict.FAIL, reason=f"it can't be reached: {error}")
        try:
            return self._one_at_a_time(self._host, occasion)
        except LabError as error:
            return CanaryResult(verdict=Verdict.FAIL, reason=str(error))
        finally:
            self._host.close()

    def stop(self) -> None:
        """End one that runs, from another thread; it is removed all the same."""
        self._stopped = True
        if self._host:
            self._host.close()

    # -- whether there is one at all ---------------------------------------------------

    def _one_at_a_time(self, host: XenHost, occasion: Occasion) -> CanaryResult:
        try:
            lock = take_lock(host.runner, LOCK, Deadline.after(self.longest, self._clock))
        except HostLost:
            raise
        except LabError as error:
            # Somebody else's canary takes longer than it may; ours would say no more.
            return CanaryResult(verdict=Verdict.UNKNOWN, reason=str(error))
        try:
            if self._stopped:
                return CanaryResult(verdict=Verdict.UNKNOWN, reason="it was interrupted")
            boot = boot_id(host)
            found = self._needless(host, boot, occasion) or self._run(host, occasion)
            if found.ran:
                self._note(replace(found, boot=boot))
            return replace(found, boot=boot)
        finally:
            lock.release()

    def _needless(self, host: XenHost, boot: str, occasion: Occasion) -> CanaryResult | None:
        """Why there is none to be run; None when there is."""
        if occasion.by_hand:
            return None
        if drained := read_slots(host.runner).drained:
            return CanaryResult(verdict=Verdict.UNKNOWN, reason=f"it is {drained}")
        last = read_health(host.runner).canary
        if last is None or last.at is None or last.boot != boot:
            return None
        age = host_time(host.runner) - last.at.timestamp()
        if not 0 <= age < self._spec.canary.interval.total_seconds():
            return None
        ago = human_seconds(age)
        # One that failed drained the host, and somebody who knows better has undrained it since.
        verdict = Verdict.PASS if last.verdict is Verdict.PASS else Verdict.UNKNOWN
        reason = f"no canary so soon after that of {ago} ago, which was {last.verdict}"
        return CanaryResult(verdict=verdict, reason=reason, job=last.job)

    def _note(self, found: CanaryResult) -> None:
        event = HealthEvent(
            kind=EventKind.CANARY,
            by=whoami(),
            boot=found.boot,
            verdict=found.verdict,
            seconds=round(found.seconds, 1),
            flight=FLIGHT,
            job=found.job,
            reason=found.reason,
        )
        with suppress(LabError), self._anew() as host:
            note_health(host.runner, event)

    # -- one canary --------------------------------------------------------------------

    def _run(self, host: XenHost, occasion: Occasion) -> CanaryResult:
        good = read_known_good(host)
        if good is None:
            reason = "no guest has passed there yet that could be its canary"
            return CanaryResult(verdict=Verdict.UNKNOWN, reason=reason)
        if not is_there(host, good):
            reason = f"the golden LV of its canary ({good.image.golden}) is gone"
            return CanaryResult(verdict=Verdict.UNKNOWN, reason=reason)
        plan = canary_plan(self._spec, good)
        began = self._clock.monotonic()
        try:
            kept = FlightSecrets.make(plan.flight_id)
        except LabError as error:
            # This controller's fault.
            return CanaryResult(verdict=Verdict.UNKNOWN, reason=str(error))
        try:
            order = Order(
                good=good,
                plan=plan,
                host=host,
                again=self._connect,
                secrets=kept.directory,
                directory=self._directory,
                although_drained=occasion.by_hand,
            )
            found = self._owned(order)
        finally:
            kept.remove()
        seconds = self._clock.monotonic() - began
        return replace(found, seconds=seconds, job=good.job.name)

    def _owned(self, order: Order) -> CanaryResult:
        """With a flight's lock, so that nobody reaps it; when that goes nothing is left of it."""
        host, run = order.host, order.plan.flight_id
        lock: HostLock | None = None
        try:
            lock = take_lock(host.runner, run, Deadline.after(LOCK_TIMEOUT))
            host.runner.run(Command.of("mkdir", "-p", run_directory(run)))
            note_use(host, order.good.image.golden, run)
            found = self._step_by_step(self._make(order), host)
        except Starved as error:
            found = CanaryResult(verdict=Verdict.UNKNOWN, reason=str(error))
        except LabError as error:
            found = CanaryResult(verdict=Verdict.FAIL, reason=str(error), ran=True)
        finally:
            left = self._without_a_trace(run)
            if lock:
                lock.release()
        if left and found.verdict is Verdict.PASS:
            # Where a guest can't be removed the next one fails.
            return replace(found, verdict=Verdict.FAIL, reason=f"teardown: {left}")
        return found

    def _step_by_step(self, guest: CanaryGuest, host: XenHost) -> CanaryResult:
        bound = self.bound
        late = threading.Event()

        def end() -> None:
            late.set()
            # Whatever waits for the host hears of it.
            host.close()

        alarm = SYSTEM_CLOCK.after(bound, end, "canary")
        name = "nothing"
        try:
            for name, deed in guest.steps():
                deed()
                if late.is_set():
                    raise LabError(name)
        except Exception as error:  # noqa: BLE001 a bug here says nothing of the host
            alarm.cancel()
            found = self._judged(error, name, bound if late.is_set() else None)
            if found.verdict is Verdict.FAIL and not self._stopped:
                culprit = StepResult(testid=name, status=Status.BROKEN, reason=found.reason)
                guest.capture(culprit)
            return found
        finally:
            alarm.cancel()
            guest.close()
        return CanaryResult(verdict=Verdict.PASS, reason="it booted, answered and went", ran=True)

    def _judged(self, error: Exception, step: str, late: timedelta | None) -> CanaryResult:
        verdict = Verdict.FAIL
        said = str(error)
        if self._stopped:
            verdict, said = Verdict.UNKNOWN, "it was interrupted"
        elif late is not None:
            said = f"it did not end within {human_seconds(late.total_seconds())}"
        elif isinstance(error, HostOverloaded):
            verdict = Verdict.UNKNOWN
        elif not isinstance(error, XenflightError):
            verdict, said = Verdict.UNKNOWN, f"{type(error).__name__}: {error}"
        return CanaryResult(verdict=verdict, reason=f"{step}: {said}", ran=True)

    def _without_a_trace(self, run: str) -> str:
        """Remove what is left of it; why that can't be done, empty when it can."""
        try:
            with self._anew() as host:
                reap_run(host, run)
        except LabError as error:
            return str(error)
        return ""

    @contextmanager
    def _anew(self) -> Iterator[XenHost]:
        """The connection, or another if that is lost."""
        assert self._host
        if self._host.runner.alive:
            yield self._host
            return
        host = self._connect()
        try:
            yield host
        finally:
            host.close()


def canary_plan(spec: HostSpec, good: KnownGood) -> Plan:
    """A flight of one job, that of *good*."""
    now = datetime.now(UTC)
    patience = SLOT_PATIENCE * max(1.0, spec.timeout_factor)
    return Plan(
        schema_version=SCHEMA_VERSION,
        flight_id=f"{FLIGHT}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        flight=FLIGHT,
        source="",
        hosts=(replace(spec, slot_timeout=patience),),
        mirror=good.job.mirror,
        jobs=(good.job,),
        keep=Keep.NEVER,
        created=now,
    )
