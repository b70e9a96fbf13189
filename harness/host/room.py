"""What a host has room for, and what jobs want of it. Pure: figures only, all sizes in bytes.

A job is admitted when what it wants fits beside what is in use *and* what other jobs were admitted
to and have not taken yet: their claims. ADR 21 says why it is reckoned in this way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from harness.errors import LabError
from harness.host.names import neighbour_name
from harness.host.slots import SlotHolder
from harness.storage.names import tag_value
from harness.storage.reports import LogicalVolume, PoolShape

_METADATA_OF_CHUNK = 48
"""Bytes of a thin pool's metadata for each chunk (the kernel's thin-provisioning.rst)."""


@dataclass(frozen=True, kw_only=True)
class Want:
    """What one job takes on its host. It stands there beside the job's lease, for all to see."""

    domain: str
    """The name of its domain."""
    memory: int
    """Of its guest."""
    overhead: int
    """What Xen needs for its domain beside that."""
    vcpus: int
    disks: int
    """What its volumes could hold."""
    data: int
    """What is expected to be written to them."""
    golden: str = ""
    """The golden volume that it needs; empty for none."""

    def to_json(self) -> str:
        """One line of ASCII."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Want:
        """What another controller wrote; `LabError` when it cannot be read.

        It is not passed over: a claim that counts for nothing is room given away twice.
        """
        try:
            found = json.loads(text)
            numbers = {name: _count(found[name]) for name in _NUMBERS}
            return cls(domain=str(found["domain"]), golden=str(found.get("golden", "")), **numbers)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"what a job on the host claims cannot be read: {text[:200]!r}"
            raise LabError(msg, hint="was it written by another version of xenflight?") from error


_NUMBERS = ("memory", "overhead", "vcpus", "disks", "data")


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        msg = f"{value!r} is no amount"
        raise ValueError(msg)
    return value


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """What the holder of a slot was admitted to."""

    holder: SlotHolder
    want: Want


@dataclass(frozen=True, kw_only=True)
class DomainNow:
    """A domain other than dom0: what it has for certain of memory, and of vCPUs at most."""

    name: str
    memory: int
    vcpus: int


@dataclass(frozen=True, kw_only=True)
class HostRoom:
    """What a host has, what is in use, and what is claimed."""

    total_memory: int
    free_memory: int
    """Of the hypervisor; what is claimed is in it as long as nobody took it."""
    dom0_memory: int
    balloons: bool
    """Whether xl takes memory from dom0 when too little is free."""
    cpus: int
    domains: tuple[DomainNow, ...]
    shape: PoolShape
    pool: LogicalVolume
    volumes: tuple[LogicalVolume, ...]
    """All of the volume group."""
    held: tuple[SlotHolder, ...] = ()
    claims: tuple[Claimed, ...] = ()

    @property
    def data_used(self) -> int:
        """Of the thin pool."""
        return round(self.shape.size * (self.pool.data_percent or 0) / 100)

    @property
    def metadata_used(self) -> int:
        """Of the thin pool."""
        return round(self.shape.metadata_size * (self.pool.metadata_percent or 0) / 100)

    def metadata_for(self, data: int) -> int:
        """What so much data may add to the thin pool's metadata."""
        return _METADATA_OF_CHUNK * -(-data // self.shape.chunk)


def memory_to_come(room: HostRoom) -> int:
    """What was claimed and is still free: domains that are to be made, or are being made.

    One that is there for less than a half may not have had its overhead yet: libxl sets that aside
    first of all, then fills the domain. A guest that reboots is made anew, and has its claim.
    """
    has: dict[str, int] = {}
    for domain in room.domains:
        # One that reboots may be seen twice: what the old one has will be free.
        has[domain.name] = min(domain.memory, has.get(domain.name, domain.memory))

    def rest(want: Want) -> int:
        there = has.get(want.domain, 0) + has.get(neighbour_name(want.domain), 0)
        whole = want.memory + (want.overhead if 2 * there < want.memory else 0)
        return max(0, whole - there)

    return sum(rest(claim.want) for claim in room.claims)


def vcpus_in_use(room: HostRoom) -> int:
    """vCPUs of domains that are there, and of those to come. At first a domain shows fewer."""
    claimed = {claim.want.domain: claim.want.vcpus for claim in room.claims}
    owner = {name: name for name in claimed} | {neighbour_name(name): name for name in claimed}
    there = dict.fromkeys(claimed, 0)
    # One that reboots may be seen twice.
    for name, vcpus in {one.name: one.vcpus for one in room.domains if one.name in owner}.items():
        there[owner[name]] += vcpus
    others = sum(domain.vcpus for domain in room.domains if domain.name not in owner)
    return others + sum(max(vcpus, there[name]) for name, vcpus in claimed.items())


def data_to_come(room: HostRoom) -> int:
    """What jobs are expected to write yet. What they wrote counts as such only if it is certain."""
    by_name = {volume.name: volume for volume in room.volumes}
    return sum(
        max(0, claim.want.data - sum(_written(one, by_name) for one in _volumes_of(claim, room)))
        for claim in room.claims
    )


def _volumes_of(claim: Claimed, room: HostRoom) -> Iterable[LogicalVolume]:
    owner = (claim.holder.flight, claim.holder.job)
    for volume in room.volumes:
        if (tag_value(volume.tags, "run"), tag_value(volume.tags, "job")) == owner:
            yield volume


def _written(volume: LogicalVolume, by_name: dict[str, LogicalVolume]) -> int:
    """At least so much of it is its own: LVM counts what a snapshot shares with its origin, too."""
    origin = by_name.get(volume.origin or "")
    return max(0, _mapped(volume) - (_mapped(origin) if origin else 0))


def _mapped(volume: LogicalVolume) -> int:
    return int(volume.size * (volume.data_percent or 0) / 100)
