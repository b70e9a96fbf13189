"""A controller dies while its guest is away from home: its hosts know all that is to be removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.flight.build import build_plan
from harness.flight.model import HostSpec, SimSpec
from harness.flight.plan import Plan
from harness.host.reaper import reap_dead
from harness.job.guest import GuestUnderTest
from harness.sim.host import SimHost
from harness.sim.state import state_of
from harness.sim.world import SimWorld
from harness.wait import SYSTEM_CLOCK
from sim.controllers import Controller, Watch
from sim.project import ROOT

HOSTS = tuple(
    HostSpec(name=name, slots=1, timeout_factor=1.0, sim=SimSpec()) for name in ("sim1", "sim2")
)


class DiedError(BaseException):
    """Nobody catches that, as nobody catches SIGKILL."""


class Doomed(Controller):
    """It dies when its guest is on its second host."""

    def __init__(self, world: SimWorld, plan: Plan, directory: Path) -> None:
        super().__init__(world, plan, directory, Watch())
        self._world = world

    def _prove(self, guest: GuestUnderTest) -> None:
        guest.create()
        guest.boot()
        guest.lend_disk()
        guest.migrate_over()
        assert guest.away
        for host in self._world.hosts.values():
            for connection in list(host.connections):
                connection.lose()
        # Only files of its own: there is no connection any more.
        guest.close()
        raise DiedError


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SimWorld]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = SimWorld()
    with SYSTEM_CLOCK.driven_by(made.clock):
        yield made


def plan() -> Plan:
    whole = build_plan(str(ROOT / "flights" / "migration.yaml"))
    job = next(job for job in whole.jobs if job.virt == "pvh")
    return replace(whole, hosts=HOSTS, jobs=(job,))


@pytest.mark.parametrize("order", [HOSTS, HOSTS[::-1]], ids=["home-first", "peer-first"])
def test_the_next_flight_on_each_host_removes_its_part(
    world: SimWorld, tmp_path: Path, order: tuple[HostSpec, ...]
) -> None:
    hosts: dict[str, SimHost] = {spec.name: world.host(spec) for spec in HOSTS}
    before = {name: state_of(host) for name, host in hosts.items()}
    doomed = Doomed(world, plan(), tmp_path / "doomed")
    doomed.prepare()
    with pytest.raises(DiedError):
        doomed.work()
    left = {name: state_of(host).more_than(before[name]) for name, host in hosts.items()}
    assert "domains" not in left["sim1"]
    assert left["sim1"]["volumes"]
    assert left["sim2"]["domains"]
    for spec in order:
        (found,) = reap_dead(world.connect(spec))
        assert found.builds
    for name, host in hosts.items():
        assert not state_of(host).more_than(before[name])
        assert not reap_dead(world.connect(host.spec))
