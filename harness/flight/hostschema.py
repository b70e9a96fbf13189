"""The shape of hosts.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from harness.flight.axes import choose
from harness.flight.faults import NO_TIME, FaultKind
from harness.flight.fields import (
    Address,
    CommandLine,
    Disk,
    DistField,
    Duration,
    Factor,
    HostKey,
    HostName,
    Memory,
    OnHost,
    Overcommit,
    PciAddresses,
    Port,
    Slots,
    Vcpus,
)
from harness.flight.hints import did_you_mean
from harness.flight.hostcareschema import CanaryModel, PowerModel, check_power
from harness.flight.model import (
    DOM0_MEMORY,
    MAX_SPARE_NICS,
    OVERCOMMIT,
    SIM_DISK,
    SIM_MEMORY,
    SLOT_TIMEOUT,
    BoxBoot,
    BoxIommu,
)
from harness.flight.schema import Strict, size


class TestboxModel(Strict):
    """A Xen host made in QEMU."""

    __test__ = False

    release: DistField
    memory: Memory = size("4G")
    vcpus: Vcpus = 2
    disk: Disk = size("16G")
    boot: Annotated[BoxBoot, BeforeValidator(lambda value: choose(BoxBoot, value))] = BoxBoot.DIRECT
    iommu: Annotated[BoxIommu, BeforeValidator(lambda value: choose(BoxIommu, value))] = (
        BoxIommu.NONE
    )
    spare_nics: Annotated[int, Field(ge=0, le=MAX_SPARE_NICS)] = 0


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


def _fault(value: object) -> object:
    """A kind is short for a fault of that kind."""
    return {"kind": value} if isinstance(value, str) else value


class FaultModel(Strict):
    """A fault of a simulated host."""

    kind: Annotated[FaultKind, BeforeValidator(lambda value: choose(FaultKind, value))]
    job: str = "*"
    on: str = ""
    skip: Annotated[int, Field(ge=0)] = 0
    times: Annotated[int, Field(ge=1)] | None = None
    after: Duration = NO_TIME
    lasts: Duration | None = None


class SimModel(Strict):
    """A host that is only simulated, for xenflight's own tests."""

    memory: Memory = SIM_MEMORY
    cpus: Vcpus = 4
    disk: Disk = SIM_DISK
    iommu: bool = False
    faults: tuple[Annotated[FaultModel, BeforeValidator(_fault)], ...] = Field(
        default=(), strict=False
    )


class HostModel(Strict):
    """One host."""

    slots: Slots = 1
    timeout_factor: Factor = 1.0
    slot_timeout: Duration = SLOT_TIMEOUT
    vcpu_overcommit: Overcommit = OVERCOMMIT
    disk_overcommit: Overcommit = OVERCOMMIT
    dom0_memory: Memory = DOM0_MEMORY
    testbox: TestboxModel | None = None
    ssh: SshModel | None = None
    sim: SimModel | None = None
    power: PowerModel | None = None
    canary: CanaryModel = CanaryModel()
    may_reboot: bool = Field(
        default=False, description="Whether jobs about the host itself may reboot it."
    )
    serial: CommandLine = Field(
        default=(), description="What listens to the host's serial line: a command, in words."
    )

    passthrough: PciAddresses = Field(
        default=(), description="PCI devices that jobs may give to guests: 0000:03:00.0."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> HostModel:
        given = [kind for kind in (self.testbox, self.ssh, self.sim) if kind is not None]
        if len(given) != 1:
            msg = "a host is either a 'testbox' or reached by 'ssh': give one of the two"
            raise ValueError(msg)
        if self.serial and self.testbox:
            msg = "a testbox's serial line is known: leave 'serial' out"
            raise ValueError(msg)
        if self.passthrough and self.testbox:
            msg = "a testbox gives its spare cards: write 'spare_nics' there"
            raise ValueError(msg)
        check_power(self.power, testbox=self.testbox is not None, sim=self.sim is not None)
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
        if self.hosts[self.default].sim:
            msg = f"the default host {self.default!r} is simulated: its verdicts count for nothing"
            raise ValueError(msg)
        return self
