"""A guest is away from home, and its controller dies, or its home does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from harness.errors import GuestFailure, LabError
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


class Sender(Controller):
    """Its guest goes to its second host, and there something is done."""

    def __init__(
        self,
        world: SimWorld,
        directory: Path,
        then: Callable[[GuestUnderTest], None],
    ) -> None:
        super().__init__(world, plan(), directory, Watch())
        self._then = then

    def _prove(self, guest: GuestUnderTest) -> None:
        guest.create()
        guest.boot()
        device = guest.lend_disk()
        assert guest.lend_disk() == device
        guest.migrate_over()
        assert guest.away
        try:
            self._then(guest)
        except LabError:
            with suppress(LabError):
                guest.remove()
            raise


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

    def die(guest: GuestUnderTest) -> None:
        for host in hosts.values():
            for connection in list(host.connections):
                connection.lose()
        # Only files of its own: there is no connection any more.
        guest.close()
        raise DiedError

    doomed = Sender(world, tmp_path / "doomed", die)
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


@pytest.mark.parametrize("how", ["power", "connection"])
def test_what_it_does_without_its_disk_is_not_its_fault(
    world: SimWorld, tmp_path: Path, how: str
) -> None:
    home, said = world.host(HOSTS[0]), "no answer"

    def lose_home(guest: GuestUnderTest) -> None:
        with pytest.raises(GuestFailure, match=said), guest.waiting():
            raise guest.failure(said, "ssh", "ssh-stalled")
        if how == "power":
            home.lose_power(timedelta(seconds=5))
        for connection in list(home.connections):
            connection.lose()
        with guest.waiting():
            raise guest.failure(said, "ssh", "ssh-stalled")

    sender = Sender(world, tmp_path / "sender", lose_home)
    sender.prepare()
    sender.work()
    (why,) = sender.broken.values()
    assert "its disk was lost while it was away (sim1 lends it no more)" in why
    assert why.endswith("says nothing of it: no answer")
