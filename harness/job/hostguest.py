"""A guest on a host that a job has to itself: the one that is known to be good there.

It needs no image sent and nothing built, its verdict is about the host, and it is of a flight of
its own, so it has a lease, a lock and an end of its own, which a boot in between can't spoil.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta

from harness.console.verdicts import Finding
from harness.errors import GuestFailure, LabError, NotApplicable, XenflightError
from harness.flight.plan import Plan
from harness.host.evict import note_use
from harness.host.lock import take_lock
from harness.host.names import run_directory
from harness.host.reaper import reap_run
from harness.host.xenhost import XenHost
from harness.job import witness
from harness.job.canary import canary_plan
from harness.job.canaryguest import CanaryGuest, Order, RealCanary, Step
from harness.job.hostline import crash_failure
from harness.job.hostundertest import HostUnderTest
from harness.job.knowngood import KnownGood, is_there, read_known_good
from harness.job.secrets import FlightSecrets
from harness.remote.command import Command
from harness.results.model import StepResult
from harness.wait import Deadline

LOCK_TIMEOUT = timedelta(seconds=30)
Make = Callable[[Order], CanaryGuest]


class LivedGuest(RealCanary):
    """It goes through what a job of the suite ``boot`` does, and is saved, restored and migrated
    in between."""

    def steps(self) -> Iterable[Step]:
        """As `RealCanary`, with the moves after the proofs that it is up."""
        for name, deed in super().steps():
            yield name, deed
            if name == "guest-ssh":
                yield "guest-saverestore", self._saved
                yield "guest-localmigrate", self._migrated

    def _saved(self) -> None:
        with witness.survives(self._guest):
            self._guest.save()
            self._guest.restore()

    def _migrated(self) -> None:
        self._guest.require_live_migration()
        with witness.survives(self._guest):
            self._guest.migrate_local()


def require_guest(host: HostUnderTest) -> KnownGood:
    """The guest that has passed there last. `NotApplicable` when none has, or it is gone."""
    good = read_known_good(host.host)
    name = host.host.name
    if good is None:
        msg = f"no guest has passed on {name} yet: run a flight of guests there first"
        raise NotApplicable(msg)
    if not is_there(host.host, good):
        msg = f"the image of {good.job.name}, which has passed on {name}, is gone from there"
        raise NotApplicable(msg)
    return good


def prove_guest(
    host: HostUnderTest, make: Make = LivedGuest, *, host_on_trial: bool = True
) -> None:
    """That guest goes through its life; each part of it is a phase of the step.

    `GuestFailure` when it misbehaves, with its console and the host's evidence beside the job's;
    and when dom0's kernel or Xen crashes meanwhile, if the host is on trial: else that is a
    `LabError`. The host is then power-cycled. What the guest can't do there is in the facts.
    """
    good = require_guest(host)
    host.make_room()
    host.step.facts["guest"] = good.job.name
    start = host.line.mark()
    try:
        _in_a_flight(host, good, make, start)
    except XenflightError as error:
        if crash := host.line.crashed_since(start):
            raise _crash(host, crash, host_on_trial=host_on_trial) from error
        raise
    if crash := host.line.crashed_since(start):
        raise _crash(host, crash, host_on_trial=host_on_trial)


def _crash(host: HostUnderTest, crash: Finding, *, host_on_trial: bool) -> XenflightError:
    phases = host.step.phases
    what = f"{host.host.name} crashed while a guest was on it"
    failure = crash_failure(what, crash, phases[-1].name if phases else None)
    return failure if host_on_trial else LabError(failure.message)


def _in_a_flight(host: HostUnderTest, good: KnownGood, make: Make, start: int) -> None:
    with _flight(host, good, start) as plan, ExitStack() as cleanup:
        secrets = FlightSecrets.make(plan.flight_id)
        cleanup.callback(secrets.remove)
        host.directory.mkdir(parents=True, exist_ok=True)
        order = Order(
            good=good,
            plan=plan,
            host=host.host,
            again=host.again,
            secrets=secrets.directory,
            directory=host.directory,
            although_drained=True,
        )
        guest = make(order)
        cleanup.callback(guest.close)
        _live(host, guest, start)


def _live(host: HostUnderTest, guest: CanaryGuest, start: int) -> None:
    step = host.step
    for name, deed in guest.steps():
        try:
            with step.phase(name):
                deed()
        except NotApplicable as why:
            step.facts[name] = f"skipped: {why}"
        except XenflightError as error:
            culprit = StepResult(testid=name, status=error.status, reason=str(error))
            # A dom0 that crashed answers nothing, and its line is recorded.
            if not host.line.crashed_since(start):
                guest.capture(culprit)
            if isinstance(error, GuestFailure):
                msg = f"{name}: {error.message}"
                raise GuestFailure(
                    msg,
                    phase=name,
                    failure_class=error.failure_class,
                    evidence=error.evidence,
                ) from error
            raise


@contextmanager
def _flight(host: HostUnderTest, good: KnownGood, start: int) -> Iterator[Plan]:
    """A flight of its own for it, known on the host as alive; nothing of it is left there."""
    plan = canary_plan(host.terms, good)
    plan = replace(plan, flight_id=plan.flight_id.replace(plan.flight, host.spec.suite, 1))
    on: XenHost = host.host
    lock = take_lock(on.runner, plan.flight_id, Deadline.after(LOCK_TIMEOUT))
    try:
        on.runner.run(Command.of("mkdir", "-p", run_directory(plan.flight_id)))
        note_use(on, good.image.golden, plan.flight_id)
        yield plan
    finally:
        if host.line.crashed_since(start):
            # Whether it comes back is seen again when the job is over.
            with suppress(LabError, GuestFailure):
                host.rescue()
        # What would not go is found by the flight's leak check, and removed by the next one.
        with suppress(LabError):
            reap_run(host.host, plan.flight_id)
        lock.release()
