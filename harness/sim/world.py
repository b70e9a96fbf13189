"""A simulation: its clock, its hosts, and the ways of a lab into it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

from harness.console.fake import VirtualRecorder
from harness.errors import HostLost, UsageError
from harness.flight.faults import FaultKind
from harness.flight.model import HostSpec
from harness.flight.plan import Plan
from harness.host.xenhost import CONNECT_TIMEOUT, XenHost
from harness.job.canary import Canary
from harness.job.canaryguest import RealCanary
from harness.job.caretaker import Caretaker
from harness.job.hostwatch import HostWays
from harness.job.pipeline import ImagePipeline
from harness.job.reach import Reached
from harness.job.ways import Ways
from harness.progress import Progress
from harness.remote.command import Stream
from harness.remote.sshlink import SshEndpoint
from harness.results.recorder import FlightRecorder
from harness.sim.clock import SimClock
from harness.sim.crossing import SimJoined
from harness.sim.dom0 import install
from harness.sim.host import SimHost
from harness.sim.maker import sim_pipeline
from harness.sim.power import SimPower
from harness.sim.runner import SimRunner
from harness.sim.ssh import NOBODYS_KEY, enter
from harness.storage.volumes import VolumeManager
from harness.wait import SYSTEM_CLOCK
from harness.xen.toolstack import Xl
from harness.xen.xenstore import Xenstore

KIND = "sim"
_CONNECT = 0.2


class SimWorld:
    """Hosts by name, made when somebody first asks for them. They share one clock."""

    def __init__(self) -> None:
        self.clock = SimClock()
        self.hosts: dict[str, SimHost] = {}

    def host(self, spec: HostSpec) -> SimHost:
        """The host of *spec*; `UsageError` for one that is no simulated one."""
        if spec.sim is None:
            msg = f"{spec.name} is a real host: a simulation is for hosts with 'sim' in hosts.yaml"
            raise UsageError(msg)
        if spec.name not in self.hosts:
            new = self.hosts[spec.name] = SimHost(spec, self.clock)
            for other in self.hosts.values():
                new.passing, new.lent = other.passing, other.lent
                break
            install(self.hosts[spec.name])
        return self.hosts[spec.name]

    def connect(self, spec: HostSpec, patience: timedelta = CONNECT_TIMEOUT) -> XenHost:
        """Log in; `HostLost` when nobody answers for that long."""
        host = self.host(spec)
        self.clock.sleep(_CONNECT)
        if not host.up or host.faults.strike(FaultKind.UNREACHABLE):
            waited = patience.total_seconds() * max(1.0, spec.timeout_factor)
            self.clock.sleep(waited)
            endpoint = endpoint_of(spec)
            msg = (
                f"{endpoint} cannot be reached over SSH: waited {waited:.1f} s for its SSH server; "
                "last seen: No route to host"
            )
            raise HostLost(msg, hint="is it up, and are its address and port right?")
        runner = SimRunner(host)
        return XenHost(
            name=host.name,
            runner=runner,
            volumes=VolumeManager(runner, host.group.name, host.group.pool),
            xl=Xl(runner),
            xenstore=Xenstore(runner),
            bridge=host.bridge,
            timeout_factor=spec.timeout_factor,
            enter=partial(enter, host),
        )

    def ways(self) -> Ways:
        """How a lab gets here."""
        return Ways(
            reach=self._reach,
            connect=lambda spec, _endpoint, patience=CONNECT_TIMEOUT: self.connect(spec, patience),
            record=SimRecorder.of,
            join=SimJoined.of,
            images=self._images,
            care=self._care,
        )

    def _reach(self, spec: HostSpec, progress: Progress) -> Reached:
        progress(f"{spec.name} is SIMULATED: nothing that it says of a guest is true")
        again = partial(self.connect, spec)
        return Reached(host=again(), endpoint=endpoint_of(spec), again=again)

    def _care(
        self,
        spec: HostSpec,
        plan: Plan,
        directory: Path,
        recorder: FlightRecorder,
        progress: Progress,
        ways: HostWays,
    ) -> Caretaker:
        def canary(path: Path) -> Canary:
            return Canary(spec, ways.connect, path, make=partial(RealCanary, record=SimRecorder.of))

        power = SimPower(self.host(spec))
        return Caretaker(
            spec, plan, directory, recorder, progress, ways, power=power, canary=canary
        )

    def _images(
        self, plan: Plan, directory: Path, recorder: FlightRecorder, progress: Progress
    ) -> ImagePipeline:
        faults = [self.host(spec).faults for spec in plan.hosts]
        return sim_pipeline(plan, directory, recorder, progress, faults)


class SimRecorder(VirtualRecorder):
    """A recorder without a thread: whoever looks at it has it read first what has come."""

    @classmethod
    def of(cls, stream: Stream, directory: Path, /, *, name: str) -> SimRecorder:
        """See `harness.console.recorder.Record`."""
        return cls(stream, directory, clock=SYSTEM_CLOCK, name=name)

    @property
    def ended(self) -> bool:
        """See `ConsoleRecorder.ended`."""
        self.read_due()
        return super().ended

    def mark(self) -> int:
        """See `ConsoleRecorder.mark`."""
        self.read_due()
        return super().mark()


def endpoint_of(spec: HostSpec) -> SshEndpoint:
    """Where a simulated host is: nowhere."""
    nowhere = Path("/nonexistent")
    return SshEndpoint(
        name=spec.name, address=f"{spec.name}.invalid", key_file=nowhere, host_key=NOBODYS_KEY
    )
