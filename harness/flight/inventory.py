"""The host inventory: hosts.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import Place, UsageError
from harness.flight.faults import Fault
from harness.flight.hints import did_you_mean
from harness.flight.hostcare import CanarySpec, IpmiSpec, PowerCommands, PowerSpec
from harness.flight.hostcareschema import PowerModel
from harness.flight.hostschema import HostModel, HostsModel, SimModel
from harness.flight.model import HostSpec, SimSpec, SshSpec, TestboxSpec
from harness.flight.validate import validate
from harness.flight.yamlfile import load_document


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """The hosts that are known, in the order of their file."""

    default: str
    hosts: Mapping[str, HostSpec]
    source: str

    def get(self, name: str | None = None) -> HostSpec:
        """The host called *name*, or the default one. `UsageError` when there is none such."""
        wanted = name or self.default
        host = self.hosts.get(wanted)
        if host is None:
            msg = f"unknown host {wanted!r}{did_you_mean(wanted, self.hosts)}"
            raise UsageError(msg, place=Place(file=self.source))
        return host


def load_hosts(path: Path) -> Inventory:
    """Read *path*. `UsageError` tells all that is wrong with it, line by line."""
    model = validate(HostsModel, load_document(path))
    hosts = {name: _host(name, host) for name, host in model.hosts.items()}
    return Inventory(default=model.default, hosts=hosts, source=str(path))


def _host(name: str, model: HostModel) -> HostSpec:
    testbox = TestboxSpec(**dict(model.testbox)) if model.testbox else None
    ssh = SshSpec(**dict(model.ssh)) if model.ssh else None
    return HostSpec(
        name=name,
        slots=model.slots,
        timeout_factor=model.timeout_factor,
        slot_timeout=model.slot_timeout,
        vcpu_overcommit=model.vcpu_overcommit,
        disk_overcommit=model.disk_overcommit,
        dom0_memory=model.dom0_memory,
        testbox=testbox,
        ssh=ssh,
        sim=_sim(model.sim) if model.sim else None,
        power=_power(model.power) if model.power else None,
        canary=CanarySpec(**dict(model.canary)),
        may_reboot=model.may_reboot,
        serial=model.serial,
        passthrough=model.passthrough,
    )


def _power(model: PowerModel) -> PowerSpec:
    ipmi = IpmiSpec(**dict(model.ipmi)) if model.ipmi else None
    command = PowerCommands(**dict(model.command)) if model.command else None
    return PowerSpec(cycle=model.cycle, boot_timeout=model.boot_timeout, ipmi=ipmi, command=command)


def _sim(model: SimModel) -> SimSpec:
    faults = tuple(Fault(**dict(fault)) for fault in model.faults)
    return SimSpec(**{**dict(model), "faults": faults})
