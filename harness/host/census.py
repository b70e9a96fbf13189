"""What is on a host at one moment: everything that a guest may leave behind, as data.

Kinds are those that osstest's ``ts-leak-check`` compares (domains, processes, xenstore, files,
volumes), and those that peers were seen to leak: device-mapper and loop devices, back ends,
virtual interfaces, mounts. `harness.host.censustaking` asks a host for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.storage.reports import LogicalVolume
from harness.xen.listing import DomainInfo


class Kind(StrEnum):
    """A kind of thing that can be left behind."""

    DOMAIN = "domain"
    VOLUME = "LV"
    MAPPER = "device-mapper"
    LOOP = "loop"
    NBD = "nbd"
    BACKEND = "back end"
    INTERFACE = "interface"
    PORT = "bridge port"
    PROCESS = "process"
    XENSTORE = "xenstore"
    MOUNT = "mount"
    PCI = "PCI device"
    """One that a guest has, or may have: it is not dom0's."""
    FILE = "file"


ORDER = {kind: number for number, kind in enumerate(Kind)}


@dataclass(frozen=True, order=True)
class Entry:
    """One thing on a host. *detail* is for people and for attribution; it may change."""

    kind: Kind
    name: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" ({self.detail})" if self.detail else "")

    @property
    def key(self) -> tuple[Kind, str]:
        """What is the same in one census and the next."""
        return self.kind, self.name

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands in a list: kinds in their order, then by name."""
        return ORDER[self.kind], self.name


@dataclass(frozen=True, kw_only=True)
class Census:
    """What was on a host, as far as one command sees a single moment."""

    entries: frozenset[Entry]
    domains: tuple[DomainInfo, ...]
    volumes: tuple[LogicalVolume, ...]
    names: Mapping[int, str] = field(default_factory=dict)
    """Domid to name, dom0 left out; also of domains that came or went meanwhile."""
    uuids: Mapping[str, str] = field(default_factory=dict)
    """UUID to name, of the same."""
    free_memory: int
    """Of the hypervisor, in MiB."""

    @property
    def pool(self) -> LogicalVolume | None:
        """The thin pool, if there is one."""
        return next((volume for volume in self.volumes if volume.is_thin_pool), None)
