"""What all parts of a guest under test share: who it is, where it is, and what is known of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from harness.console.recorder import ConsoleRecorder, Record
from harness.console.shell import ConsoleShell
from harness.errors import LabError, NotApplicable
from harness.flight.model import JobSpec
from harness.flight.needs import HostFlag
from harness.flight.plan import Plan
from harness.guest.identity import MacAllocator, host_name
from harness.host.capabilities import Capabilities
from harness.host.lease import SlotLease
from harness.host.names import domain_name
from harness.host.overload import PressureWatch
from harness.host.owners import domain_uuid
from harness.host.relay import Join, Relay
from harness.host.xenhost import XenHost
from harness.job.channel import GuestChannel
from harness.job.delay import told_from_overload
from harness.job.disks import plan_disks
from harness.job.leaks import PEER_DOMIDS, domid_runvars
from harness.job.prepared import PreparedImage
from harness.job.seat import Seat
from harness.job.secrets import FlightSecrets
from harness.results.layout import JobDirectory
from harness.steps import StepRecord
from harness.wait import SYSTEM_CLOCK
from harness.xen import devices
from harness.xen.domain import Domain
from harness.xen.tools import Tools, tools_of

T = TypeVar("T")


class GuestState:
    """The guest of one job, as far as all of its parts know it."""

    def __init__(
        self,
        *,
        spec: JobSpec,
        plan: Plan,
        seat: Seat,
        image: PreparedImage,
        secrets: Path,
        files: JobDirectory,
        record: Record = ConsoleRecorder,
        part: str = "",
        peer: Seat | None = None,
        join: Join = Relay,
    ) -> None:
        self.spec = spec
        self._home = self._seat = seat
        self._peer = peer
        self._join = join
        self.name = domain_name(plan.flight_id, spec.name, part)
        self._identity = f"{spec.name}/{part}" if part else spec.name
        """What is made into names and ids that no other guest has."""
        self.hostname = host_name(plan.flight_id, self._identity)
        self.disks = plan_disks(spec, plan.flight_id, image, part)
        macs = MacAllocator(plan.flight_id, (job.name for job in plan.jobs), interfaces=3)
        self.mac = macs.mac(spec.name, 2 if part else 0)
        self.spare_mac = macs.mac(spec.name, 1)
        """For an interface that it is given later."""
        self.step = StepRecord(job=spec.name, testid="none")
        self._plan = plan
        self._run = plan.flight_id
        self._keep_for = plan.keep_for
        self._image = image
        self._record = record
        self._arguments = f"root=/dev/{self.disks.root_device} ro"
        self._secrets = FlightSecrets(secrets)
        self._host_key = secrets / f"host-{self.hostname}"
        self._files = files
        self._recorder: ConsoleRecorder | None = None
        self._shell: ConsoleShell | None = None
        self._ssh: GuestChannel | None = None
        self._runvars: dict[str, str] = {"domain": self.name, "hostname": self.hostname}
        self._runvars |= {"mac": self.mac, "slot": str(seat.lease.slot)}
        if peer:
            self._runvars |= {"peer": peer.host.name, "peer_slot": str(peer.lease.slot)}
        if image.key:
            self._runvars["image"] = image.key
        self._runvars["uuid"] = domain_uuid(self._run, self._identity)
        self._deaths: Callable[[], AbstractContextManager[None]] = nullcontext
        self._boots_at = 0
        """Where in the console's log its present boot begins."""
        self._more_volumes: list[str] = []
        """What it was given later."""
        self._more_files: list[str] = []
        """The same, on dom0's own disk."""
        self._disk_numbers = itertools.count(1)
        self._moved = False
        """Whether its domain may have had another name, or been saved to a file."""
        self._began = SYSTEM_CLOCK.monotonic()
        self._waited = 0.0
        self._waits = 0
        self._captured = 0.0
        self._gone = False

    @property
    def host(self) -> XenHost:
        """Where it is now."""
        return self._seat.host

    @property
    def _lease(self) -> SlotLease:
        return self._seat.lease

    @property
    def _fenced(self) -> XenHost:
        return self._seat.fenced

    @property
    def _capabilities(self) -> Capabilities:
        return self._seat.capabilities

    @property
    def _pressure(self) -> PressureWatch:
        return self._seat.pressure

    @property
    def _domain(self) -> Domain | None:
        return self._seat.domain

    @property
    def _seats(self) -> tuple[Seat, ...]:
        """The other one first: what is there depends on what is at home."""
        return (self._peer, self._home) if self._peer else (self._home,)

    def _numbers(self) -> dict[str, str]:
        """The runvars that tell the numbers that its domain had, on either host."""
        found = domid_runvars(self._home.domain)
        if self._peer and self._peer.domids:
            found[PEER_DOMIDS] = " ".join(map(str, self._peer.domids))
        return found

    def host_has(self, flag: HostFlag) -> bool:
        """Whether its host can do that."""
        return flag in self._capabilities.flags

    @property
    def _tools(self) -> Tools:
        """The toolstack that the job names, for what is itself under test."""
        patience = self.host.stretched(devices.TIMEOUT)
        return tools_of(self.spec.toolstack, self._fenced.runner, patience)

    @property
    def seeded(self) -> bool:
        """Whether the harness writes its own files into the guest: names, keys, a password."""
        wanted = self.spec.image is None or self.spec.image.overlay
        return wanted and self._image.seedable

    @property
    def volumes(self) -> tuple[str, ...]:
        """All of its LVs, in an order in which they can be removed."""
        return (*self._more_volumes, *self.disks.volumes)

    @property
    def made(self) -> bool:
        """Whether it has, or had, a domain."""
        return self._domain is not None

    @property
    def recorder(self) -> ConsoleRecorder:
        """Its console; `LabError` before `create`."""
        return self._needed(self._recorder, "has no console yet")

    @property
    def domain(self) -> Domain:
        """Its domain; `LabError` before `create`."""
        return self._needed(self._domain, "has no domain yet")

    @property
    def shell(self) -> ConsoleShell:
        """root's shell on its console; `LabError` before `boot`, `NotApplicable` for a guest
        that was not given our password.
        """
        self._require_seeded()
        return self._needed(self._shell, "has nobody logged in on its console")

    @property
    def ssh(self) -> GuestChannel:
        """root's commands over SSH; `LabError` before `connect`, `NotApplicable` as for `shell`."""
        self._require_seeded()
        return self._needed(self._ssh, "is not connected over SSH")

    @property
    def connected(self) -> bool:
        """Whether there is an SSH connection to it."""
        return self._ssh is not None

    def remember(self, name: str, value: str) -> None:
        """Store a runvar, in the job and in the step that found it."""
        self._runvars[name] = self.step.facts[name] = value

    def knows(self, name: str) -> bool:
        """Whether there is a runvar of that name."""
        return name in self._runvars

    def recall(self, name: str) -> str:
        """A runvar that an earlier step stored; `LabError` if none did."""
        return self._needed(self._runvars.get(name), f"has no {name}")

    def stretched(self, timeout: timedelta) -> timedelta:
        """*timeout*, which is meant for hardware, on this guest's host."""
        return self.host.stretched(timeout)

    def _require_seeded(self) -> None:
        if not self.seeded:
            msg = "the image was left as it is, so nobody has a password or a key for it"
            raise NotApplicable(msg)

    def _disconnect(self) -> None:
        if self._ssh:
            self._ssh.close()
            self._ssh = None

    def _timeout(self, phase: str) -> timedelta:
        return self.host.stretched(self.spec.timeouts[phase])

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time inside as spent on the guest, not on us.

        What did not come in time is `HostOverloaded` if the host was, and has the class of
        the guest's death if it told of one on its console. A wait within a wait counts once.
        """
        began = SYSTEM_CLOCK.monotonic()
        self._waits += 1
        try:
            with told_from_overload(self._pressure, self.step), self._deaths():
                yield
        finally:
            self._waits -= 1
            if not self._waits:
                self._waited += SYSTEM_CLOCK.monotonic() - began

    def _needed(self, value: T | None, what: str) -> T:
        if value is None:
            # A worker that died took the guest's state along; the steps after it land here.
            msg = f"the guest of {self.spec.name} {what} in this process"
            raise LabError(msg)
        return value
