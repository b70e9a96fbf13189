"""The host inventory: hosts.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import Place, UsageError
from harness.flight.hints import did_you_mean
from harness.flight.hostschema import HostModel, HostsModel
from harness.flight.model import HostSpec, SshSpec, TestboxSpec
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
        name=name, slots=model.slots, timeout_factor=model.timeout_factor, testbox=testbox, ssh=ssh
    )
