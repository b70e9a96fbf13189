"""The shape of hosts.yaml."""

from __future__ import annotations

from pydantic import model_validator

from harness.flight.fields import (
    Address,
    Disk,
    DistField,
    Factor,
    HostKey,
    HostName,
    Memory,
    OnHost,
    Port,
    Slots,
    Vcpus,
)
from harness.flight.hints import did_you_mean
from harness.flight.schema import Strict, size


class TestboxModel(Strict):
    """A Xen host made in QEMU."""

    __test__ = False

    release: DistField
    memory: Memory = size("4G")
    vcpus: Vcpus = 2
    disk: Disk = size("16G")


class SshModel(Strict):
    """A Xen host reached by SSH."""

    address: Address
    port: Port = 22
    user: OnHost = "root"
    key_file: str
    host_key: HostKey
    vg: OnHost
    thin_pool: OnHost
    bridge: OnHost


class HostModel(Strict):
    """One host."""

    slots: Slots = 1
    timeout_factor: Factor = 1.0
    testbox: TestboxModel | None = None
    ssh: SshModel | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> HostModel:
        if (self.testbox is None) == (self.ssh is None):
            msg = "a host is either a 'testbox' or reached by 'ssh': give one of the two"
            raise ValueError(msg)
        return self


class HostsModel(Strict):
    """hosts.yaml."""

    default: HostName
    hosts: dict[HostName, HostModel]

    @model_validator(mode="after")
    def _default_exists(self) -> HostsModel:
        if self.default not in self.hosts:
            msg = f"the default host {self.default!r} is not among the hosts"
            raise ValueError(msg + did_you_mean(self.default, self.hosts))
        return self
