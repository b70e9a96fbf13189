"""The board on simulated hosts: flights that share them, workers that die, hosts that are lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from harness.flight.build import build_plan
from harness.flight.faults import Fault, FaultKind
from harness.flight.model import HostSpec, SimSpec
from harness.flight.plan import Plan
from harness.host.lease import SlotLease
from harness.host.names import domain_name
from harness.job.placed import Placements
from harness.job.real import RealGuests
from harness.plugin.signs import flight_board
from harness.schedule.board import Board
from harness.sim.state import state_of
from harness.sim.world import SimWorld
from harness.status import Status
from harness.steps import StepRecord
from harness.wait import SYSTEM_CLOCK
from sim.controllers import Controller, Watch
from sim.project import ROOT

SLOTS, JOBS = 2, 12
ONE = HostSpec(
    name="sim1", slots=SLOTS, timeout_factor=1.0, slot_timeout=timedelta(hours=6), sim=SimSpec()
)
TWO = replace(ONE, name="sim2")
WORKERS = 2 * SLOTS


class Watches(Watch):
    """Of several hosts, each with slots of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._hosts: dict[str, Watch] = {}

    @contextmanager
    def holds(self, lease: SlotLease, who: str) -> Iterator[None]:
        """See `Watch.holds`."""
        with self._hosts.setdefault(lease._where, Watch()).holds(lease, who):
            yield


class Scheduled(Controller):
    """A flight whose workers get their jobs from the board; *deaths* of them die in the middle."""

    def __init__(
        self,
        world: SimWorld,
        plan: Plan,
        directory: Path,
        deaths: int = 0,
        watch: Watch | None = None,
    ) -> None:
        super().__init__(world, plan, directory, watch or Watches())
        self._world = world
        self._deaths = deaths
        self._board: Board | None = None
        self._crashed: dict[str, tuple[str, ...]] = {}
        self.reaped: dict[str, str] = {}
        self.hosts: set[str] = set()

    @property
    def board(self) -> Board:
        """Made when the flight was made ready."""
        jobs = [job.name for job in self._plan.jobs]
        self._board = self._board or flight_board(self._plan, self._files.path, jobs)
        return self._board

    def work(self) -> None:
        """One worker: a job whenever it has none. One that died is another from then on."""
        guests = self._guests()
        while self.board.open:
            turn = self.board.give()
            if turn is None:
                self._world.clock.sleep(1)
                continue
            assert turn.host
            self.hosts.add(turn.host)
            crashed = self._crashed.get(turn.job, ())
            Placements(self._files.path).write(turn.job, turn.host, crashed)
            if self._deaths and not crashed:
                self._deaths -= 1
                self._die(guests, turn.job)
                guests = self._guests()
                continue
            self._job(guests, turn.job)
            self.board.over(turn.job)
        guests.close()

    def _guests(self) -> RealGuests:
        return RealGuests(self._plan, self._files, None, self._ways)

    def _die(self, guests: RealGuests, job: str) -> None:
        """With a guest that runs: as kill -9 does it, nobody cleans up and all channels end."""
        guest = guests.make(job, StepRecord(job=job, testid="guest-create"))
        guest.create()
        placed = Placements(self._files.path).find(job)
        assert placed
        self._crashed[job] = (placed.host,)
        guest._lease._stream.close()
        # What the kernel does for a process that is gone: of the domain nobody heard.
        guest.close()
        guests.close()
        self._files.job(job).put_by()
        self.board.again(job)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SimWorld]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = SimWorld()
    with SYSTEM_CLOCK.driven_by(made.clock):
        yield made


def plan(name: str, *hosts: HostSpec) -> Plan:
    smoke = build_plan(str(ROOT / "flights" / "smoke.yaml"))
    (job,) = smoke.jobs
    many = tuple(replace(job, name=f"{job.name}-{number}") for number in range(JOBS))
    flight_id = smoke.flight_id.replace("smoke-", f"{name}-")
    return replace(smoke, flight=name, flight_id=flight_id, hosts=hosts or (ONE, TWO), jobs=many)


def fly(world: SimWorld, *controllers: Scheduled) -> None:
    # Hosts are made ready beside each other, which the simulation has on its main line only.
    for one in controllers:
        one.prepare()
    world.clock.together(*(one.work for one in controllers for _ in range(WORKERS)))
    for one in controllers:
        one.finish()


def test_two_flights_share_hosts_and_all_jobs_run(world: SimWorld, tmp_path: Path) -> None:
    before = [state_of(world.host(spec)) for spec in (ONE, TWO)]
    watch = Watches()
    ada, bob = (
        Scheduled(world, plan(name), tmp_path / name, watch=watch) for name in ("ada", "bob")
    )
    fly(world, ada, bob)
    for one in (ada, bob):
        assert (len(one.done), one.broken) == (JOBS, {})
        assert one.hosts == {"sim1", "sim2"}
    boots = [world.host(spec).boots for spec in (ONE, TWO)]
    assert sum(boots) == 2 * JOBS
    for spec, was in zip((ONE, TWO), before, strict=True):
        assert not state_of(world.host(spec)).more_than(was)


@pytest.mark.parametrize("deaths", [1, 4])
def test_what_a_dead_worker_left_is_gone_before_its_job_begins_anew(
    world: SimWorld, tmp_path: Path, deaths: int
) -> None:
    before = [state_of(world.host(spec)) for spec in (ONE, TWO)]
    ada = Scheduled(world, plan("ada"), tmp_path / "ada", deaths)
    fly(world, ada)
    assert (len(ada.done), ada.broken) == (JOBS, {})
    assert {step.status for step in ada.done.values()} == {Status.PASS}
    for spec, was in zip((ONE, TWO), before, strict=True):
        assert not state_of(world.host(spec)).more_than(was)


def test_so_it_is_where_there_is_no_other_host(world: SimWorld, tmp_path: Path) -> None:
    """The new guest has the name of the old one."""
    before = state_of(world.host(ONE))
    ada = Scheduled(world, plan("ada", ONE), tmp_path / "ada", deaths=2)
    fly(world, ada)
    assert (len(ada.done), ada.broken) == (JOBS, {})
    assert not state_of(world.host(ONE)).more_than(before)
    assert world.host(ONE).boots >= JOBS


def test_a_host_that_is_lost_takes_no_other_job_with_it(world: SimWorld, tmp_path: Path) -> None:
    lost = Fault(kind=FaultKind.HOST_LOST, on="xl list", skip=20, times=1)
    one = replace(ONE, sim=SimSpec(faults=(lost,)))
    ada = Scheduled(world, plan("ada", one, TWO), tmp_path / "ada")
    fly(world, ada)
    assert len(ada.done) + len(ada.broken) == JOBS
    assert 1 <= len(ada.broken) <= SLOTS + 1
    assert all("sim1" in why for why in ada.broken.values())


def test_a_dead_guest_would_be_in_the_way(world: SimWorld, tmp_path: Path) -> None:
    """The tests above could not fail otherwise."""
    ada = Scheduled(world, plan("ada", ONE), tmp_path / "ada")
    ada.prepare()
    job = ada._plan.jobs[0].name
    guests = ada._guests()
    ada.board.give()
    Placements(ada._files.path).write(job, ONE.name)
    ada._die(guests, job)
    found = world.connect(ONE).xl.find(domain_name(ada._plan.flight_id, job))
    assert found is not None
    ada.finish()
