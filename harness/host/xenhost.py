"""One Xen host as the rest of the harness sees it; a testbox is a host like any other."""

from __future__ import annotations

from dataclasses import dataclass
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

    @classmethod
    def connect(cls, spec: HostSpec, endpoint: SshEndpoint) -> Self:
        """Log in; `HostLost` says why not."""
        # An emulated host needs longer for the same handshake.
        deadline = Deadline.after(CONNECT_TIMEOUT * max(1.0, spec.timeout_factor))
        runner = SshRunner.connect(endpoint, deadline)
        vg, pool, bridge = VOLUME_GROUP, THIN_POOL, BRIDGE
        if spec.ssh:
            vg, pool, bridge = spec.ssh.vg, spec.ssh.thin_pool, spec.ssh.bridge
        return cls(
            name=spec.name,
            runner=runner,
            volumes=VolumeManager(runner, vg, pool),
            xl=Xl(runner),
            xenstore=Xenstore(runner),
            bridge=bridge,
            timeout_factor=spec.timeout_factor,
        )

    def stretched(self, timeout: timedelta) -> timedelta:
        """*timeout*, which is meant for hardware, on this host."""
        return timeout * self.timeout_factor

    def close(self) -> None:
        """Let go of the connection; never raises."""
        self.runner.close()
