"""A guest's place on a host, or on two: slots, admission, and a look at what was there before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

from harness.errors import LabError, Starved
from harness.evidence.collect import PATIENCE
from harness.flight.model import JobSpec
from harness.flight.plan import Plan
from harness.host.lease import SlotLease
from harness.host.slots import read_slots
from harness.host.xenhost import XenHost
from harness.job.admission import admit_job
from harness.job.cares import HostCares
from harness.job.inventories import Inventories
from harness.job.leaks import JobLedger
from harness.job.pairing import choose_pair, take_pair
from harness.job.place import take_place
from harness.job.prepared import Prepared, PreparedImage
from harness.job.seat import Seat
from harness.job.speed import as_fast_as
from harness.steps import StepRecord
from harness.wait import SYSTEM_CLOCK

_Taken = tuple[XenHost, SlotLease, JobLedger]


class Hosts(Protocol):
    """The hosts of a flight, as one of its processes is connected to them."""

    def connected(self, name: str) -> XenHost:
        """Over the process's one connection; `LabError` when there can be none."""
        ...

    def again(self, name: str, patience: timedelta | None = None) -> XenHost:
        """Over a connection of its own."""
        ...

    def inventories(self, name: str) -> Inventories:
        """Of that host, as this process sees it."""
        ...


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a job is to be given."""

    spec: JobSpec
    step: StepRecord
    """Which waits, if it must."""
    places: list[str]
    """Where it may begin."""
    images: dict[str, PreparedImage]
    """Of each of these."""
    now: Callable[[], list[str]] | None = None
    """Where it may begin by then; see `take_place`."""
    prefer: str | None = None


@dataclass(frozen=True, kw_only=True)
class Seating:
    """Gives the jobs of one process their places."""

    plan: Plan
    directory: Path
    """The flight's."""
    jobs: Iterable[str]
    """All of the flight's."""
    prepared: Prepared
    cares: HostCares
    hosts: Hosts

    def seat(self, wish: Wish) -> tuple[Seat, Seat | None]:
        """Its place on one host, and on another if it needs two. See `take_slot`, `admit_job`."""
        since = SYSTEM_CLOCK.time_of_day()
        if not wish.spec.peer:
            return self._seat(wish, since, *self._one(wish)), None
        home, peer = (self._seat(wish, since, *taken) for taken in self._two(wish))
        return home, peer

    def _seat(
        self, wish: Wish, since: float, host: XenHost, lease: SlotLease, ledger: JobLedger
    ) -> Seat:
        name = host.name
        return Seat(
            host=host,
            lease=lease,
            # For evidence: the host was there a moment ago, and whether it is dead is for the
            # controller to find out, which may know better than by knocking.
            again=lambda: self.hosts.again(name, PATIENCE),
            ledger=ledger,
            capabilities=self.prepared.hosts[name].capabilities,
            rescue=self.cares.rescue(wish.spec.name, name, since, lambda: self.hosts.again(name)),
        )

    def _one(self, wish: Wish) -> _Taken:
        """A slot on one of its places, all that the guest takes there, and what was there."""
        spec, step = wish.spec, wish.step
        # Last of all: a slot is not for waiting in, but for what its guest takes.
        began = step.clock.monotonic()

        def connect(name: str) -> XenHost:
            try:
                return self._connected(spec, name)
            except LabError as error:
                self.cares.suspect(spec.name, name, str(error))
                raise

        try:
            host, lease = take_place(
                spec, self.plan, wish.places, connect, self.directory, step, wish.now, wish.prefer
            )
        except LabError as error:
            self._suspect(spec, wish.places, error)
            raise
        try:
            ledger = self._open_ledger(spec, host)
            spent = timedelta(seconds=step.clock.monotonic() - began)
            # Slot and memory are had within one and the same time: both are room on the host.
            left = self.plan.host_named(host.name).slot_timeout - spent
            golden = wish.images[host.name].golden
            admit_job(spec, self.plan, host, lease, golden, self.directory, step, left)
        except BaseException as error:
            lease.release()
            if isinstance(error, LabError):
                self.cares.suspect(spec.name, host.name, str(error))
            raise
        return host, lease, ledger

    def _two(self, wish: Wish) -> tuple[_Taken, _Taken]:
        """The same on two hosts, the one on which it begins first."""
        spec = wish.spec
        peers = self.prepared.peers[spec.name]
        places = sorted(wish.places, key=lambda name: name != wish.prefer)
        names = tuple({*places, *(other for name in places for other in peers.get(name, ()))})
        ledgers: dict[str, JobLedger] = {}

        def before(host: XenHost) -> None:
            ledgers[host.name] = self._open_ledger(spec, host)

        try:
            names = self._pair(wish, places, peers, names)
            one, other = (self._connected(spec, name) for name in names)
            golden = wish.images[one.name].golden
            mine, second = take_pair(
                spec, self.plan, (one, other), golden, self.directory, wish.step, before
            )
        except LabError as error:
            self._suspect(spec, names, error)
            raise
        return (one, mine, ledgers[one.name]), (other, second, ledgers[other.name])

    def _pair(
        self,
        wish: Wish,
        places: Sequence[str],
        peers: Mapping[str, Sequence[str]],
        names: Collection[str],
    ) -> tuple[str, str]:
        """See `choose_pair`; while something is done about a host that it takes, it waits."""
        well: set[str] = set()
        while True:
            well.update(self.cares.fit(names))
            try:
                return choose_pair(places, peers, well, partial(self._free, wish.spec))
            except Starved:
                if not (others := [name for name in names if name not in well]):
                    raise
            well.update(self.cares.well(wish.spec.name, others, wish.step))

    def _connected(self, spec: JobSpec, name: str) -> XenHost:
        capabilities = self.prepared.hosts[name].capabilities
        return as_fast_as(spec, self.hosts.connected(name), capabilities)

    def _free(self, spec: JobSpec, name: str) -> int:
        """How many slots of it are free; below 0 when it does not answer."""
        try:
            found = read_slots(self.hosts.connected(name).runner)
        except LabError as error:
            self.cares.suspect(spec.name, name, str(error))
            return -1
        return found.free(self.plan.host_named(name).slots)

    def _suspect(self, spec: JobSpec, names: Iterable[str], error: LabError) -> None:
        for name in names:
            self.cares.suspect(spec.name, name, str(error))

    def _open_ledger(self, spec: JobSpec, host: XenHost) -> JobLedger:
        name = host.name
        return JobLedger.open(
            self.hosts.inventories(name),
            host,
            lambda: self.hosts.again(name),
            flight=self.plan.flight_id,
            job=spec.name,
            jobs=self.jobs,
        )
