"""Two controllers and one host: no slot is used twice, and nobody waits for ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from harness.flight.build import build_plan
from harness.flight.faults import Fault, FaultKind
from harness.flight.model import HostSpec, SimSpec
from harness.flight.plan import Plan
from harness.host.lease import take_lease
from harness.host.slots import Claim
from harness.job.slot import slot_terms
from harness.sim.state import state_of
from harness.sim.world import SimWorld
from harness.status import Status
from harness.units import Size
from harness.wait import SYSTEM_CLOCK
from sim.controllers import Controller, Watch
from sim.project import ROOT

SLOTS, WORKERS, JOBS = 3, 2, 50
SPEC = HostSpec(
    name="sim1",
    slots=SLOTS,
    timeout_factor=1.0,
    slot_timeout=timedelta(hours=6),
    # For the guests of all its slots, and little more.
    sim=SimSpec(memory=Size.parse("2700M")),
)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SimWorld]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = SimWorld()
    with SYSTEM_CLOCK.driven_by(made.clock):
        yield made


def plan(name: str, jobs: int, spec: HostSpec = SPEC) -> Plan:
    """A flight of so many jobs, all of the same guest."""
    smoke = build_plan(str(ROOT / "flights" / "smoke.yaml"))
    (job,) = smoke.jobs
    many = tuple(replace(job, name=f"{job.name}-{number}") for number in range(jobs))
    flight_id = smoke.flight_id.replace("smoke-", f"{name}-")
    return replace(smoke, flight=name, flight_id=flight_id, hosts=(spec,), jobs=many)


def fly(world: SimWorld, *controllers: Controller) -> None:
    world.clock.together(*(one.prepare for one in controllers))
    world.clock.together(*(one.work for one in controllers for _ in range(WORKERS)))
    world.clock.together(*(one.finish for one in controllers))


def test_two_of_fifty_jobs_each_never_use_a_slot_twice(world: SimWorld, tmp_path: Path) -> None:
    before, watch = state_of(world.host(SPEC)), Watch()
    ada = Controller(world, plan("ada", JOBS), tmp_path / "ada", watch)
    bob = Controller(world, plan("bob", JOBS), tmp_path / "bob", watch)
    fly(world, ada, bob)
    assert len(ada.done) == len(bob.done) == JOBS
    assert {one.status for two in (ada, bob) for one in two.done.values()} == {Status.PASS}
    # Each lease has a token of its own, and they were at it together.
    assert sorted(watch.tokens) == list(range(1, 2 * JOBS + 1))
    assert watch.most == SLOTS
    assert world.host(SPEC).boots == 2 * JOBS
    assert not state_of(world.host(SPEC)).more_than(before)


def test_nor_where_leases_and_connections_are_lost(world: SimWorld, tmp_path: Path) -> None:
    lost = Fault(kind=FaultKind.LEASE_LOST, on="xl create", skip=4, times=3)
    cut = Fault(kind=FaultKind.CONNECTION_LOST, on="xl list", skip=60, times=3)
    spec = replace(SPEC, sim=SimSpec(faults=(lost, cut)))
    before, watch = state_of(world.host(spec)), Watch()
    controllers = [
        Controller(world, plan(name, 12, spec), tmp_path / name, watch) for name in ("ada", "bob")
    ]
    fly(world, *controllers)
    assert set(world.host(spec).faults.struck) == {FaultKind.LEASE_LOST, FaultKind.CONNECTION_LOST}
    for one in controllers:
        assert len(one.done) + len(one.broken) == 12
    broken = [why for one in controllers for why in one.broken.values()]
    assert len(broken) >= 3
    assert not [why for why in broken if "was lost" not in why and "lost the SSH" not in why]
    assert len(set(watch.tokens)) == len(watch.tokens)
    assert not state_of(world.host(spec)).more_than(before)


def test_a_slot_that_is_used_twice_is_seen(world: SimWorld) -> None:
    """The tests above could not fail otherwise."""
    watch, terms = Watch(), slot_terms(SPEC)
    one, two = (
        take_lease(world.connect(replace(SPEC, name=name)).runner, claim, terms)
        for name, claim in (("sim1", _claim("ada")), ("sim2", _claim("bob")))
    )
    with watch.holds(one, "ada"):
        with pytest.raises(AssertionError, match=r"slot 1 is .*ada.*, and bob got it"):
            watch.holds(two, "bob").__enter__()
        one.release()
        with watch.holds(two, "bob"):
            assert watch.most == 1


def _claim(holder: str) -> Claim:
    return Claim(holder=holder, flight="f", job="j")
