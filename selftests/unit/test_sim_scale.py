"""Many simulated hosts at once: they share a thread, a clock and little else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from harness.errors import Starved
from harness.flight.faults import Fault, FaultKind
from harness.flight.model import HostSpec, SimSpec
from harness.host.fence import fenced
from harness.host.lease import SlotLease, SlotTerms, take_lease
from harness.host.slots import Claim, read_slots
from harness.host.xenhost import XenHost
from harness.job.slot import slot_terms
from harness.sim.world import SimWorld
from harness.storage.names import scratch_name, scratch_tags
from harness.units import Size
from harness.wait import SYSTEM_CLOCK
from harness.xen.config import Disk, DomainConfig, DomainType

HOSTS = 1000
SIZE = Size.parse("2G")


@pytest.fixture
def world() -> Iterator[SimWorld]:
    made = SimWorld()
    with SYSTEM_CLOCK.driven_by(made.clock):
        yield made


def spec(number: int, *faults: Fault) -> HostSpec:
    return HostSpec(name=f"sim{number}", slots=1, timeout_factor=1, sim=SimSpec(faults=faults))


def lease_on(host: XenHost, terms: SlotTerms, job: str) -> SlotLease:
    return take_lease(host.runner, Claim(holder="ada@ctl", flight="f-1", job=job), terms)


def run_a_job(host: XenHost, lease: SlotLease, job: str) -> None:
    """As a job does, up to its domain."""
    ours = fenced(host, lease)
    name = scratch_name("f-1", job)
    device = ours.volumes.create_thin(name, SIZE, scratch_tags("f-1", job))
    config = DomainConfig(
        name=f"xf.f-1.{name[3:13]}",
        type=DomainType.PVH,
        memory=512,
        kernel="/boot/vmlinuz-6.1.0-56-amd64",
        disks=(Disk(path=device),),
    )
    ours.xl.create_paused(config.to_xl(), config.name)
    ours.xl.unpause(config.name)


def test_a_thousand_hosts_with_a_job_each(world: SimWorld) -> None:
    threads = threading.active_count()
    hosts = [world.connect(spec(number)) for number in range(HOSTS)]
    terms = slot_terms(spec(0))
    leases = [lease_on(host, terms, f"job-{host.name}") for host in hosts]
    for host, lease in zip(hosts, leases, strict=True):
        run_a_job(host, lease, f"job-{host.name}")
    # One for what goes on beside them, but none for each; those of other tests may end meanwhile.
    assert threading.active_count() <= threads + 1
    before = world.clock.monotonic()
    # Ten minutes of them all: leases beat, guests boot as far as they can.
    world.clock.sleep(600)
    assert world.clock.monotonic() == before + 600
    assert not [lease for lease in leases if lease.lost]
    assert all(read_slots(host.runner).held[0].job == f"job-{host.name}" for host in hosts)
    for host, lease in zip(hosts, leases, strict=True):
        lease.release()
        assert read_slots(host.runner).held == ()


def test_what_befalls_one_host_is_none_of_the_others(world: SimWorld) -> None:
    lost = world.connect(spec(1, Fault(kind=FaultKind.HOST_LOST, on="lvs", times=1)))
    well = world.connect(spec(2))
    leases = [lease_on(host, slot_terms(spec(1)), "job") for host in (lost, well)]
    with pytest.raises(Exception, match="lost the SSH connection to sim1"):
        lost.volumes.list()
    assert well.volumes.list() == ()
    world.clock.sleep(60)
    assert [lease.lost for lease in leases] == [True, False]


def test_who_waits_for_a_slot_gets_it_when_its_holder_falls_silent(world: SimWorld) -> None:
    host = world.connect(spec(1))
    first = lease_on(host, slot_terms(spec(1)), "first")
    short = SlotTerms(slots=1, patience=timedelta(seconds=30))
    with pytest.raises(Starved, match="job first"):
        lease_on(host, short, "second")
    world.connect(spec(1)).close()
    host.runner.close()
    again = world.connect(spec(1))
    second = lease_on(again, short, "third")
    assert second.inherited
    assert (second.token, second.inherited.job) == (2, "first")
    world.clock.sleep(60)
    assert first.lost
    assert not second.lost
