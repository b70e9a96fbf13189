"""A flight of very many jobs on simulated hosts, by the real code and without pytest.

What is real: plan, order, board, leases, admission, disks, domains, consoles, proofs, teardown,
leak checks, second tries, the hosts' care, the flight's record, its store. What is simulated: the
hosts, time, and workers, which are lines of work of this process in place of processes.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from harness import __version__
from harness.bench.flying import STEPS, Line, now
from harness.bench.saving import Saver
from harness.bench.schedule import Night, make_night
from harness.errors import XenflightError
from harness.flight.build import build_plan
from harness.flight.find import flights_dir
from harness.flight.model import HostSpec, SimSpec
from harness.flight.plan import Plan
from harness.job.real import RealGuests, RealLab
from harness.plugin.header import planned_job
from harness.plugin.retry import Retries
from harness.plugin.signs import flight_board
from harness.progress import Progress
from harness.results.events import FlightHeader
from harness.results.layout import FlightDirectory
from harness.results.model import FlightResult
from harness.results.recorder import FlightRecorder
from harness.sim.world import SimWorld
from harness.steps import LEAK_CHECK
from harness.wait import SYSTEM_CLOCK

OUTAGE = timedelta(minutes=10)
"""How long a host that loses its power is gone."""
_PATIENCE = timedelta(hours=12)
_EARLY, _LATE = 0.05, 0.8
"""Of the shortest makespan: between these moments hosts are lost."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much of everything. Each host has one slot."""

    hosts: int
    jobs: int
    losses: int
    """Hosts that lose their power in the middle."""
    seed: int = 1


@dataclass(kw_only=True)
class Flown:
    """What became of it. Seconds are simulated ones, since the first job could begin."""

    result: FlightResult
    makespan: float
    took: Mapping[str, float]
    """How long each job ran: the attempt that counts."""
    first_failure: float | None
    lost: int
    """Attempts that the lab broke."""
    workers: int
    hosts: list[str] = field(default_factory=list)
    """Those that lost their power."""


class Fleet:
    """One such flight, in *directory*; its history goes to *saver*."""

    def __init__(self, size: Size, directory: Path, saver: Saver, progress: Progress) -> None:
        self._size = size
        self._draw = random.Random(size.seed)
        self._night = make_night(size.jobs, self._draw)
        self._plan = plan_of(size, self._night)
        self.files = FlightDirectory(directory / self._plan.flight_id)
        self._world = SimWorld()
        self._saver = saver
        self._progress = progress

    def fly(self) -> Flown:
        """All of it, from the hosts' making ready to their last leak check."""
        with SYSTEM_CLOCK.driven_by(self._world.clock):
            recorder = FlightRecorder(
                self.files.path, header_of(self._plan, self.files), now=now, sink=self._saver
            )
            lab = RealLab(self._world.ways())
            keeper = lab.flight(self._plan, self.files.path, recorder, lambda *_: None)
            self._progress(f"making {self._size.hosts:,} hosts ready")
            keeper.prepare()
            # Whoever interrupts this does not wait for simulated hosts to be swept.
            line = self._jobs(recorder)
            self._progress("looking for what is left on the hosts")
            try:
                keeper.sweep(aborted=False)
            except XenflightError as error:
                # As the plugin does: a host that has no power then is told, and no more.
                recorder.problem(str(error))
            keeper.close()
            result = recorder.finish()
            self._saver.close()
        return Flown(
            result=result,
            makespan=line.last - line.began,
            took=line.took,
            first_failure=line.first_failure,
            lost=line.lost,
            workers=self._plan.slots,
            hosts=self._lost_hosts,
        )

    def _jobs(self, recorder: FlightRecorder) -> Line:
        clock = self._world.clock
        names = [job.name for job in self._plan.jobs]
        board = flight_board(self._plan, self.files.path, names)
        retries = Retries(self._plan, self.files.path)
        # Hosts began their time when they were made ready.
        line = Line(self._plan, self.files, self._night, recorder, board, retries, self._progress)
        self._lost_hosts = self._lose_hosts()
        ways = self._world.ways()

        def work() -> None:
            line.work(RealGuests(self._plan, self.files, None, ways))

        clock.together(*(work for _ in range(self._plan.slots)))
        return line

    def _lose_hosts(self) -> list[str]:
        names = self._draw.sample([host.name for host in self._plan.hosts], self._size.losses)
        shortest = sum(self._night.seconds.values()) / self._size.hosts
        for name in names:
            moment = shortest * self._draw.uniform(_EARLY, _LATE)
            host = self._world.hosts[name]
            self._world.clock.after(moment, partial(host.lose_power, OUTAGE))
        return names


def plan_of(size: Size, night: Night) -> Plan:
    """So many jobs of one guest, on so many hosts."""
    smoke = build_plan(str(flights_dir() / "smoke.yaml"))
    (job,) = smoke.jobs
    hosts = tuple(
        HostSpec(
            name=f"sim{number:04d}",
            slots=1,
            timeout_factor=1,
            slot_timeout=_PATIENCE,
            sim=SimSpec(),
        )
        for number in range(size.hosts)
    )
    return replace(
        smoke,
        flight="scale",
        flight_id=smoke.flight_id.replace("smoke-", "scale-"),
        hosts=hosts,
        jobs=tuple(replace(job, name=name) for name in night.seconds),
        expected=night.expected,
    )


def header_of(plan: Plan, files: FlightDirectory) -> FlightHeader:
    """As the plugin writes it."""
    testids = (*(step.testid for step in STEPS), LEAK_CHECK)
    return FlightHeader(
        flight_id=plan.flight_id,
        flight=plan.flight,
        started=now(),
        harness_version=__version__,
        command="xenflight bench scale",
        jobs=tuple(planned_job(job, testids, files) for job in plan.jobs),
    )
