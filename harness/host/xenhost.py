"""One Xen host as the rest of the harness sees it; a testbox is a host like any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol, Self

from harness.flight.model import HostSpec
from harness.remote.command import Runner
from harness.remote.ssh import SocketLike, SshRunner
from harness.remote.sshlink import SshEndpoint
from harness.storage.volumes import VolumeManager
from harness.testbox.volumes import BRIDGE, THIN_POOL, VOLUME_GROUP
from harness.wait import Deadline
from harness.xen.toolstack import Xl
from harness.xen.xenstore import Xenstore

CONNECT_TIMEOUT = timedelta(seconds=30)


class HostRunner(Runner, Protocol):
    """Runs commands on a host, and leads to what the host can reach (`SshRunner` does)."""

    @property
    def alive(self) -> bool:
        """Whether the connection still stands, as far as anyone has noticed."""
        ...

    def open_tcp(self, address: str, port: int) -> SocketLike:
        """A TCP connection from the host to *address*; see `SshRunner.open_tcp`."""
        ...


Enter = Callable[[HostRunner, SshEndpoint, Deadline], Runner]


def enter_through(host: HostRunner, guest: SshEndpoint, deadline: Deadline) -> Runner:
    """Log in to *guest* over a TCP connection that its host makes; see `sshlink.connect`."""
    return SshRunner.connect(guest, deadline, dial=lambda: host.open_tcp(guest.address, guest.port))


@dataclass(frozen=True, kw_only=True)
class XenHost:
    """A connected host: commands, volumes and toolstack."""

    name: str
    runner: HostRunner
    volumes: VolumeManager
    xl: Xl
    xenstore: Xenstore
    bridge: str
    timeout_factor: float
    enter: Enter = enter_through
    """How its guests are entered."""

    @classmethod
    def connect(
        cls, spec: HostSpec, endpoint: SshEndpoint, patience: timedelta = CONNECT_TIMEOUT
    ) -> Self:
        """Log in; `HostLost` says why not. It has *patience*, times its timeout factor."""
        # An emulated host needs longer for the same handshake.
        deadline = Deadline.after(patience * max(1.0, spec.timeout_factor))
        runner = SshRunner.connect(endpoint, deadline)
        vg, pool = storage_of(spec)
        return cls(
            name=spec.name,
            runner=runner,
            volumes=VolumeManager(runner, vg, pool),
            xl=Xl(runner),
            xenstore=Xenstore(runner),
            bridge=spec.ssh.bridge if spec.ssh else BRIDGE,
            timeout_factor=spec.timeout_factor,
        )

    def through(self, runner: HostRunner) -> Self:
        """The same host, all of whose commands go through *runner*."""
        return replace(
            self,
            runner=runner,
            volumes=VolumeManager(runner, self.volumes.group, self.volumes.pool),
            xl=Xl(runner),
            xenstore=Xenstore(runner),
        )

    def stretched(self, timeout: timedelta) -> timedelta:
        """*timeout*, which is meant for hardware, on this host."""
        return timeout * self.timeout_factor

    def close(self) -> None:
        """Let go of the connection; never raises."""
        self.runner.close()


def storage_of(spec: HostSpec) -> tuple[str, str]:
    """The volume group and the thin pool of a host."""
    return (spec.ssh.vg, spec.ssh.thin_pool) if spec.ssh else (VOLUME_GROUP, THIN_POOL)
