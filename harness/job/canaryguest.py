"""The canary itself: a guest like that of any job, in a flight of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from harness.console.recorder import ConsoleRecorder, Record
from harness.errors import LabError
from harness.flight.plan import Plan
from harness.host.capabilities import find_capabilities
from harness.host.xenhost import XenHost
from harness.job.admission import admit_job
from harness.job.guest import GuestUnderTest
from harness.job.knowngood import KnownGood
from harness.job.proof import prove_console, prove_gone, prove_ssh
from harness.job.seat import Seat
from harness.job.slot import slot_terms, take_slot
from harness.job.speed import as_fast_as
from harness.results.layout import JobDirectory
from harness.results.model import StepResult
from harness.steps import StepRecord

Step = tuple[str, Callable[[], None]]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a canary is made of, and where."""

    good: KnownGood
    plan: Plan
    host: XenHost
    again: Callable[[], XenHost]
    secrets: Path
    directory: Path
    """For its console and its evidence."""
    although_drained: bool = False


class CanaryGuest(Protocol):
    """A canary, not yet on the host."""

    def steps(self) -> Iterable[Step]:
        """What it goes through, in order."""
        ...

    def capture(self, culprit: StepResult) -> None:
        """Take evidence of the step that did not pass."""
        ...

    def close(self) -> None:
        """Let go of it; never raises."""
        ...


class RealCanary:
    """A `GuestUnderTest` that goes through what a job of the suite ``boot`` does, and is quick.

    To take its slot raises `Starved` when there is none in time.
    """

    def __init__(self, order: Order, *, record: Record = ConsoleRecorder) -> None:
        job = order.good.job
        capabilities = find_capabilities(order.host)
        host = as_fast_as(job, order.host, capabilities)
        terms = slot_terms(order.plan.host_named(order.host.name))
        if order.although_drained:
            terms = replace(terms, drain_file="")
        step = StepRecord(job=job.name, testid="guest-create")
        lease = take_slot(job, order.plan, host, order.directory, step, terms)
        try:
            # One that does not fit tells nothing of the host.
            golden, room = order.good.image.golden, terms.patience
            admit_job(
                job, order.plan, host, lease, golden, order.directory, step, room, terms.drain_file
            )
            self._guest = GuestUnderTest(
                spec=job,
                plan=order.plan,
                seat=Seat(host=host, lease=lease, again=order.again, capabilities=capabilities),
                image=order.good.image,
                secrets=order.secrets,
                files=JobDirectory(order.directory / "jobs" / job.name),
                record=record,
            )
        except BaseException:
            lease.release()
            raise

    def steps(self) -> Iterable[Step]:
        """Both channels, and all that is made and removed for a guest."""
        guest = self._guest
        todo: tuple[Step, ...] = (
            ("guest-create", guest.create),
            ("guest-boot", guest.boot),
            ("guest-console", lambda: prove_console(guest)),
            ("guest-ssh", lambda: prove_ssh(guest)),
            ("guest-shutdown", guest.shut_down),
            ("guest-gone", lambda: prove_gone(guest)),
        )
        for name, deed in todo:
            guest.step = StepRecord(job=guest.spec.name, testid=name)
            yield name, deed

    def capture(self, culprit: StepResult) -> None:
        """Of the host as much as for any job."""
        with suppress(LabError, OSError):
            self._guest.capture(culprit)

    def close(self) -> None:
        """Its slot, too."""
        self._guest.close()
