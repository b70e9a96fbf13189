"""Getting to the host of a flight, which for a testbox means having it running first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import LabError, UsageError
from harness.flight.model import HostSpec
from harness.host.xenhost import XenHost
from harness.progress import Progress
from harness.remote.sshlink import SshEndpoint
from harness.testbox.machine import Testbox


@dataclass(frozen=True, kw_only=True)
class Reached:
    """A host that answers."""

    host: XenHost
    endpoint: SshEndpoint
    """How other processes get there."""
    again: Callable[[], XenHost]
    """Connects once more, after the connection was lost. Starts nothing."""
    accel: str | None = None
    """Of a testbox: ``kvm`` or ``tcg``."""


def reach_host(spec: HostSpec, progress: Progress) -> Reached:
    """Connect to the host, started if it is a testbox; `LabError` says why that can't be."""
    accel = None
    if spec.testbox:
        started = Testbox(spec.name, spec.testbox).up(progress)
        for note in started.notes:
            progress(note)
        progress(f"testbox {spec.name}: {started.how}, {started.accel}")
        endpoint, accel = started.endpoint, str(started.accel)
    else:
        endpoint = ssh_endpoint(spec)

    def connect() -> XenHost:
        return XenHost.connect(spec, endpoint)

    return Reached(host=connect(), endpoint=endpoint, again=connect, accel=accel)


def ssh_endpoint(spec: HostSpec) -> SshEndpoint:
    """How to reach a host that is no testbox."""
    if spec.sim:
        msg = f"{spec.name} is a simulated host, which only xenflight's own tests can use"
        raise UsageError(msg)
    if spec.ssh is None:
        msg = f"{spec.name} is neither a testbox nor a host with an SSH address"
        raise LabError(msg)
    try:
        key_file = Path(spec.ssh.key_file).expanduser()
    except RuntimeError as error:  # "~somebody", who is unknown here
        msg = f"the key_file {spec.ssh.key_file!r} of {spec.name}: there is no such user"
        raise UsageError(msg) from error
    return SshEndpoint(
        name=spec.name,
        address=spec.ssh.address,
        port=spec.ssh.port,
        user=spec.ssh.user,
        key_file=key_file,
        host_key=spec.ssh.host_key,
    )
