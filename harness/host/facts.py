"""What a host is, for the results."""

from __future__ import annotations

from harness.flight.model import HostSpec
from harness.host.xenhost import XenHost
from harness.remote.command import Command
from harness.results.model import HostFacts

_RELEASE = '. /etc/os-release 2>/dev/null; echo "${PRETTY_NAME-}"'


def host_facts(host: XenHost, spec: HostSpec, accel: str | None) -> HostFacts:
    """Ask *host* what it runs; `LabError` when its toolstack does not answer."""
    info = host.xl.info()
    release = host.runner.run(Command.script("os-release", _RELEASE)).stdout.strip()
    return HostFacts(
        name=host.name,
        kind=spec.kind,
        xen_version=info.version,
        dom0_kernel=info.dom0_kernel,
        dom0_release=release or None,
        cpus=info.nr_cpus,
        memory=info.total_memory << 20,
        virt_caps=info.virt_caps,
        accel=accel,
        timeout_factor=spec.timeout_factor,
    )
