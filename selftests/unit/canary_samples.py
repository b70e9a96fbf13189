"""A canary without a domain: its steps do what a test tells them to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from care_samples import Site, flight_plan

from harness.flight.hostcare import CanarySpec
from harness.flight.model import HostSpec
from harness.host.lease import SlotLease
from harness.host.names import domain_name
from harness.job.canary import Canary
from harness.job.canaryguest import Order, Step
from harness.job.knowngood import note_known_good
from harness.job.prepared import PreparedImage
from harness.job.slot import take_slot
from harness.results.model import StepResult
from harness.steps import StepRecord
from harness.storage.names import golden_tags, scratch_name, scratch_tags

IMAGE = PreparedImage(
    key="k", golden="xf-golden-k", kernel="/boot/k", initrd="/boot/i", layout="bare"
)


def nothing() -> None:
    """A step that passes."""


@dataclass
class ScriptedCanary:
    """It takes a slot, and leaves a domain and a volume on the fake host until it is gone."""

    order: Order
    lab: CanaryLab
    lease: SlotLease

    def steps(self) -> Iterable[Step]:
        fake, run = self.lab.site.fake, self.order.plan.flight_id
        job = self.order.good.job.name
        self.lab.ran.append(run)
        self.lab.secrets.append(self.order.secrets.exists())
        self.lab.locked.append(run in fake.locked)
        fake.domains[domain_name(run, job)] = 9
        fake.volumes[scratch_name(run, job)] = set(scratch_tags(run, job))
        yield "guest-create", nothing
        yield "guest-boot", self.lab.boots
        if self.lab.removes:
            fake.domains.clear()
            del fake.volumes[scratch_name(run, job)]
        yield "guest-gone", nothing

    def capture(self, culprit: StepResult) -> None:
        self.lab.captured.append(culprit)

    def close(self) -> None:
        self.lease.release()


def _lease_threads() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if one.name == "slot lease"}


@dataclass
class CanaryLab:
    """A host, the guest that is known to be good there, and what its canaries do."""

    folder: Path
    site: Site = field(default_factory=Site)
    spec: HostSpec = field(default_factory=lambda: flight_plan().hosts[0])
    boots: Callable[[], None] = nothing
    removes: bool = True
    ran: list[str] = field(default_factory=list)
    secrets: list[bool] = field(default_factory=list)
    locked: list[bool] = field(default_factory=list)
    leases_before: set[threading.Thread] = field(default_factory=_lease_threads)
    """Those that tests before this one left."""
    captured: list[StepResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.site.fake.runner.on(" note-use ")
        self.job = flight_plan().jobs[0]
        self.passed()

    def passed(self) -> None:
        """The job of ``smoke`` passed there."""
        self.site.fake.volumes["xf-golden-k"] = set(golden_tags("k"))
        assert note_known_good(self.site.fake.host, self.job, IMAGE)

    def make(self, order: Order) -> ScriptedCanary:
        step = StepRecord(job=self.job.name, testid="guest-create")
        lease = take_slot(order.good.job, order.plan, order.host, order.directory, step)
        return ScriptedCanary(order=order, lab=self, lease=lease)

    def canary(self, directory: Path | None = None, spec: HostSpec | None = None) -> Canary:
        return Canary(
            spec or self.spec,
            self.site.connect,
            directory or self.folder / "canary",
            make=self.make,
        )

    @property
    def left(self) -> list[str]:
        """What is on the host that was not there before."""
        fake = self.site.fake
        volumes = [name for name in fake.volumes if name != "xf-golden-k"]
        threads = [one.name for one in _lease_threads() - self.leases_before]
        return [*fake.domains, *volumes, *fake.locked, *map(str, fake.slots.held), *threads]


def brief(**terms: object) -> CanarySpec:
    return CanarySpec(**terms)  # type: ignore[arg-type]
