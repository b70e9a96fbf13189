"""Controllers that share simulated hosts: flights without pytest, with workers that are lines of
work on the simulation's clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from harness.errors import LabError
from harness.flight.plan import Plan
from harness.host.lease import SlotLease
from harness.job.guest import GuestUnderTest
from harness.job.proof import prove_gone
from harness.job.real import RealGuests, RealLab
from harness.progress import silent
from harness.results.events import FlightHeader
from harness.results.layout import FlightDirectory
from harness.results.model import StepResult
from harness.results.recorder import FlightRecorder
from harness.sim.world import SimWorld
from harness.steps import StepRecord


class Holder(NamedTuple):
    """Who has a slot."""

    who: str
    lease: SlotLease


@dataclass
class Watch:
    """Who has which slot, as the controllers believe. A slot that is had twice is an error."""

    now: dict[int, Holder] = field(default_factory=dict)
    most: int = 0
    tokens: list[int] = field(default_factory=list)

    @contextmanager
    def holds(self, lease: SlotLease, who: str) -> Iterator[None]:
        """*who* has *lease* in this block; unless it is lost, but it is noticed when it is used."""
        slot = lease.slot
        held = self.now.get(slot)
        assert held is None or held.lease.lost, f"slot {slot} is {held}'s, and {who} got it"
        mine = self.now[slot] = Holder(who, lease)
        self.tokens.append(lease.token)
        self.most = max(self.most, len(self.now))
        try:
            yield
        finally:
            if self.now.get(slot) is mine:
                del self.now[slot]


class Controller:
    """One flight, in *directory*."""

    def __init__(self, world: SimWorld, plan: Plan, directory: Path, watch: Watch) -> None:
        header = FlightHeader(
            flight_id=plan.flight_id,
            flight=plan.flight,
            started=datetime.now(UTC),
            harness_version="0",
            command="",
            jobs=(),
        )
        directory.mkdir()
        self._plan = plan
        self._files = FlightDirectory(directory)
        self._watch = watch
        self._ways = world.ways()
        recorder = FlightRecorder(directory, header)
        self._run = RealLab(self._ways).flight(plan, directory, recorder, silent)
        self._left = [job.name for job in plan.jobs]
        self.done: dict[str, StepResult] = {}
        """Jobs that were well, and what their leak checks found."""
        self.broken: dict[str, str] = {}
        """Jobs that were not, and why."""

    def prepare(self) -> None:
        """See `FlightRun.prepare`."""
        self._run.prepare()

    def work(self) -> None:
        """One worker: job after job, as long as there are any."""
        # As a process of its own has it: with its own connections.
        guests = RealGuests(self._plan, self._files, None, self._ways)
        try:
            while self._left:
                self._job(guests, self._left.pop(0))
        finally:
            guests.close()

    def finish(self) -> None:
        """See `FlightRun.sweep`."""
        try:
            self._run.sweep(aborted=False)
        finally:
            self._run.close()

    def _job(self, guests: RealGuests, job: str) -> None:
        try:
            guest = guests.make(job, StepRecord(job=job, testid="guest-create"))
        except LabError as error:
            self.broken[job] = str(error)
            return
        try:
            with self._watch.holds(guest._lease, f"{self._plan.flight_id} {job}"):
                self._prove(guest)
        except LabError as error:
            self.broken[job] = str(error)
        guest.close()
        guests.over(job, passed=job not in self.broken)
        found = guest.check_leaks().result()
        if job not in self.broken:
            self.done[job] = found

    def _prove(self, guest: GuestUnderTest) -> None:
        try:
            guest.create()
            guest.boot()
            guest.shut_down()
            prove_gone(guest)
        finally:
            guest.remove()
