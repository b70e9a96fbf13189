"""Where a guest is: a slot on one host, and what goes with that. A guest that moves has two."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

from harness.host.capabilities import Capabilities
from harness.host.fence import fenced
from harness.host.lease import SlotLease
from harness.host.overload import PressureWatch
from harness.host.xenhost import XenHost
from harness.job.afterboot import Rescue
from harness.job.evidence import Reconnect
from harness.job.leaks import JobLedger, unchecked
from harness.results.model import StepResult
from harness.xen.domain import Domain


@dataclass(kw_only=True)
class Seat:
    """One host, as one guest has it."""

    host: XenHost
    lease: SlotLease
    again: Reconnect
    """For evidence, when the connection is gone."""
    capabilities: Capabilities
    ledger: JobLedger | None = None
    rescue: Rescue | None = None
    domain: Domain | None = None
    """The guest's there: it has a number of its own on each host."""
    renewed: bool = False
    """Whether *host* is a connection of its own by now, to be closed with it."""
    fenced: XenHost = field(init=False)
    """For what comes to be on the host: all of that while the slot is the job's."""
    pressure: PressureWatch = field(init=False)

    def __post_init__(self) -> None:
        self.fenced = fenced(self.host, self.lease)
        self.pressure = PressureWatch(self.host.runner, factor=self.host.timeout_factor)

    @property
    def domids(self) -> tuple[int, ...]:
        """All numbers that the guest's domain is known to have had there."""
        return self.domain.domids if self.domain else ()

    def check_leaks(self, domids: Iterable[int]) -> Future[StepResult]:
        """What of the guest is there still, now that it was left; see `JobLedger.check`."""
        if self.ledger is None:
            return unchecked()
        return self.ledger.check({*domids, *self.domids})

    def close(self) -> None:
        """Let go of the slot; never raises."""
        self.lease.release()
        if self.renewed:
            self.host.close()
