"""A host that can die and be power-cycled, the ways to it, and what a flight says about it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from test_job_flight import FLIGHTS

import harness
from harness.console.fake import VirtualClock
from harness.errors import HostLost
from harness.flight.build import build_plan
from harness.flight.hostcare import PowerCommands, PowerCycle, PowerSpec
from harness.flight.plan import Plan
from harness.host.fake import FakeHost, FakeHostRunner
from harness.host.xenhost import XenHost
from harness.job.canary import Canary
from harness.job.care import CareAnswer, CareRequest, HostCare, Want
from harness.job.caretaker import Caretaker
from harness.power.fake import FakePower
from harness.remote.command import DEFAULT_TIMEOUT, Command, CommandResult, Stream
from harness.remote.ssh import SocketLike
from harness.results.events import FlightHeader
from harness.results.recorder import FlightRecorder

COMMAND = PowerCommands(cycle=("never-run",))


def flight_plan(**terms: object) -> Plan:
    """The flight ``smoke``, on a host with power."""
    plan = build_plan(str(FLIGHTS / "smoke.yaml"))
    power = PowerSpec(command=COMMAND, **terms)  # type: ignore[arg-type]
    host = replace(plan.hosts[0], name="rack1", testbox=None, timeout_factor=1.0, power=power)
    return replace(plan, hosts=(host,))


class Wire:
    """One connection to a fake host, which can be lost while others stand."""

    def __init__(self, runner: FakeHostRunner) -> None:
        self._runner = runner
        self.name = runner.name
        self.alive = True
        self.closed = threading.Event()

    def run(
        self,
        command: Command,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        check: bool = True,
        stdin: bytes | BinaryIO | None = None,
    ) -> CommandResult:
        self._stands()
        return self._runner.run(command, timeout=timeout, check=check, stdin=stdin)

    def open(self, command: Command) -> Stream:
        self._stands()
        return self._runner.open(command)

    def open_tcp(self, address: str, port: int) -> SocketLike:
        return self._runner.open_tcp(address, port)

    def close(self) -> None:
        self.alive = False
        self.closed.set()

    def _stands(self) -> None:
        if not self.alive:
            msg = f"lost the SSH connection to {self.name}"
            raise HostLost(msg)


@dataclass
class Site:
    """A fake host and the ways to it (`harness.job.hostwatch.HostWays`)."""

    fake: FakeHost = field(default_factory=lambda: FakeHost(name="rack1"))
    dead: bool = False
    refused: int = 0
    """How often somebody knocked in vain."""
    wires: list[Wire] = field(default_factory=list)
    kept: list[XenHost] = field(default_factory=list)
    """What was given to `returned`."""
    host: XenHost | None = None

    def __post_init__(self) -> None:
        self.host = self.connect()

    def connect(self) -> XenHost:
        if self.dead:
            self.refused += 1
            msg = "rack1 cannot be reached over SSH"
            raise HostLost(msg)
        self.wires.append(Wire(self.fake.runner))
        return self.fake.host.through(self.wires[-1])

    def returned(self, host: XenHost) -> None:
        self.kept.append(host)
        self.host = host

    def lose(self) -> None:
        """All connections, of whatever."""
        for wire in self.wires:
            wire.alive = False

    def die(self) -> None:
        """Its power is cut, say."""
        self.lose()
        self.dead = True

    def boot(self) -> None:
        """It comes up, in another boot."""
        self.dead, self.fake.boot = False, self.fake.boot[:-1] + "b"

    @property
    def open_wires(self) -> int:
        return sum(wire.alive for wire in self.wires)


class CareBench:
    """A caretaker in the test's own thread, and in virtual time."""

    def __init__(self, folder: Path, plan: Plan | None = None) -> None:
        self.plan = plan or flight_plan()
        self.folder = folder / "flight"
        self.clock = VirtualClock()
        self.site = Site()
        self.power = FakePower(on_cycle=self.site.boot, said=b"(XEN) Panic on CPU 0")
        self.said: list[str] = []
        self.canaries: Callable[[Path], Canary] | None = None
        header = FlightHeader(
            flight_id=self.plan.flight_id,
            flight="smoke",
            started=self.plan.created,
            harness_version=harness.__version__,
            command="xenflight run",
            jobs=(),
        )
        self.recorder = FlightRecorder(self.folder, header)
        self.care = HostCare(self.folder, self.plan.hosts[0].name, self.clock)

    @property
    def switched(self) -> list[str]:
        """What its power was asked, but for how it is."""
        return [word for word in self.power.asked if word != "status"]

    def caretaker(self) -> Caretaker:
        return Caretaker(
            self.plan.hosts[0],
            self.plan,
            self.folder,
            self.recorder,
            self.tell,
            self.site,
            power=self.power,
            canary=self.canaries,
            clock=self.clock,
        )

    def tell(self, text: str, fraction: float | None = None) -> None:
        self.said.append(text)

    def ask(
        self, want: Want, job: str = "boot-x", *, at: float = 5e9, since: float = 1.0
    ) -> CareRequest:
        """A job asks; if nothing else is said, after all that was answered so far."""
        request = CareRequest(want=want, job=job, why="lost rack1", at=at, since=since)
        self.care.ask(request)
        return request

    def answer(self, want: Want, job: str = "boot-x") -> CareAnswer:
        """What was answered to that."""
        request = CareRequest(want=want, job=job, why="", at=0.0)
        return self.care.wait(request, 0, self.caretaker().longest)

    @property
    def problems(self) -> str:
        return "; ".join(self.recorder.result.problems)


def in_thread(deed: Callable[[], object]) -> threading.Thread:
    """Begin *deed* in a thread."""
    thread = threading.Thread(target=deed, daemon=True)
    thread.start()
    return thread


__all__ = ["CareBench", "PowerCycle", "Site", "flight_plan", "in_thread"]
