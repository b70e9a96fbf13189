"""The domains of a simulated host, and what Xen and libxl know of them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from harness.sim.guest import SimGuest
from harness.sim.xlcfg import DiskConfig, GuestConfig

DOM0_MEMORY = 1024
"""MiB."""
_UUIDS = uuid.UUID("6f1c1c0e-6b6f-4a53-9a44-6e6f74207265")
QDISK = "qdisk"
_MAJOR = {"xvd": 202}


class State(StrEnum):
    """What a domain is doing, as the six letters of ``xl list`` say it."""

    RUNNING = "-b----"
    PAUSED = "--p---"
    CRASHED = "---sc-"
    SHUTDOWN = "---s--"
    DYING = "-----d"


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device of a domain. *kind* is ``vbd``, ``qdisk`` (a disk that QEMU serves), ``vif`` or
    ``console``."""

    kind: str
    number: int
    config: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class SimDomain:
    """One domain."""

    domid: int
    config: GuestConfig
    uuid: str
    began: float
    guest: SimGuest
    memory: int
    """What it has now, in MiB."""
    vcpus: int
    """How many are in use now."""
    served: bool = False
    """Whether it has a QEMU, which it has from the start or never."""
    state: State = State.PAUSED
    watcher: int = 0
    """The process of xl's that waits for its end."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.config.name

    @property
    def devices(self) -> tuple[Device, ...]:
        """All of them."""
        found = [Device(kind="console", number=0)]
        for disk in self.config.disks:
            details = {"dev": disk.vdev, "params": disk.target}
            number = device_number(disk.vdev)
            kind = QDISK if by_qemu(disk) else "vbd"
            found.append(Device(kind=kind, number=number, config=details))
        for index, vif in enumerate(self.config.vifs):
            details = {"mac": vif.mac, "bridge": vif.bridge}
            found.append(Device(kind="vif", number=index, config=details))
        return tuple(found)

    def sees(self, disk: DiskConfig) -> bool:
        """Whether somebody serves it that disk: libxl says nothing when nobody does."""
        return self.served or not by_qemu(disk)

    @property
    def interfaces(self) -> Iterator[str]:
        """Its network interfaces in dom0."""
        yield from (f"vif{self.domid}.{number}" for number, _ in enumerate(self.config.vifs))


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A back end in dom0 that outlives its domain, for a moment or for good."""

    domid: int
    device: Device
    guest: SimGuest


def by_qemu(disk: DiskConfig) -> bool:
    """Whether libxl has QEMU serve that disk."""
    return disk.format != "raw"


def device_number(vdev: str) -> int:
    """The number of a virtual disk, as xen-vbd-interface(7) has it: ``xvda`` is 51712."""
    letter, partition = ord(vdev[3]) - ord("a"), int(vdev[4:] or 0)
    if letter < 16 and partition < 16:
        return 202 << 8 | letter << 4 | partition
    return 1 << 28 | letter << 8 | partition


def make_uuid(config: GuestConfig, domid: int) -> str:
    """The one that the configuration gives, or one of xl's own."""
    given = config.text("uuid")
    return given or str(uuid.uuid5(_UUIDS, f"{config.name} {domid}"))


def boot_id(domid: int, name: str, boots: int) -> str:
    """A new one for each boot of each guest."""
    digest = hashlib.sha256(f"{domid} {name} {boots}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))
