"""Rooms, wants and claims for tests. Sizes are in MiB where nothing else is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.flight.model import HostSpec
from harness.host.room import Claimed, DomainNow, HostRoom, Want
from harness.host.slots import SlotHolder
from harness.storage.names import golden_tags, scratch_tags
from harness.storage.reports import LogicalVolume, PoolShape, VolumeGroup
from harness.units import Size

MIB, GIB = 1 << 20, 1 << 30
RUN = "smoke-1"
RACK = HostSpec(name="rack1", slots=4, timeout_factor=1.0)


def want(job: str = "job", memory: int = 512, **other: int) -> Want:
    """What a job wants; *other*: ``overhead``, ``vcpus``, ``disks`` and ``data``."""
    amounts = {"overhead": 6, "disks": 2048, "data": 512, **other}
    vcpus = amounts.pop("vcpus", 1)
    sizes = {name: amount * MIB for name, amount in amounts.items()}
    return Want(domain=f"xf.{job}", memory=memory * MIB, vcpus=vcpus, golden="xf-golden-a", **sizes)


def holder(slot: int, job: str) -> SlotHolder:
    """Of a flight called `RUN`."""
    return SlotHolder(slot=slot, token=slot, holder="ada@ci1", flight=RUN, job=job)


def claims(*wants: Want) -> tuple[Claimed, ...]:
    """In slots from 1 on, by jobs that have their domains' names."""
    return tuple(
        Claimed(holder=holder(slot, one.domain.removeprefix("xf.")), want=one)
        for slot, one in enumerate(wants, 1)
    )


def volume(
    name: str,
    mib: int,
    percent: float,
    *,
    tags: Iterable[str] = (),
    origin: str | None = None,
    metadata: float | None = None,
) -> LogicalVolume:
    """A volume of so many MiB, so full."""
    return LogicalVolume(
        vg="vg0",
        name=name,
        uuid=name,
        size=Size(mib * MIB),
        attr="twi-aotz--" if metadata is not None else "Vwi-a-tz--",
        pool="pool",
        origin=origin,
        tags=tuple(tags),
        active=True,
        in_use=False,
        writable=True,
        minor=3,
        data_percent=percent,
        metadata_percent=metadata,
    )


def golden(mib: int, percent: float, key: str = "a") -> LogicalVolume:
    """The golden volume of an image."""
    return volume(f"xf-golden-{key}", mib, percent, tags=golden_tags(key))


def scratch(job: str, mib: int, percent: float, origin: str | None = None) -> LogicalVolume:
    """A volume of a job."""
    return volume(f"xf-{job}", mib, percent, tags=scratch_tags(RUN, job), origin=origin)


def room(
    free: int = 3028,
    *,
    domains: Mapping[str, int] | None = None,
    claimed: tuple[Claimed, ...] = (),
    volumes: Iterable[LogicalVolume] = (),
    dom0: int = 1024,
    balloons: bool = False,
    data: float = 10.0,
    metadata: float = 5.0,
) -> HostRoom:
    """A testbox of 4095 MiB with two CPUs; its pool has 16 GiB, in chunks of 256 KiB."""
    pool = volume("pool", 16 << 10, data, metadata=metadata)
    return HostRoom(
        total_memory=4095 * MIB,
        free_memory=free * MIB,
        dom0_memory=dom0 * MIB,
        balloons=balloons,
        cpus=2,
        domains=tuple(
            DomainNow(name=name, memory=memory * MIB, vcpus=1)
            for name, memory in (domains or {}).items()
        ),
        shape=PoolShape(
            group=VolumeGroup(name="vg0", size=17 * GIB, free=GIB, extent_size=4 * MIB),
            name="pool",
            size=16 * GIB,
            chunk=256 << 10,
            metadata_size=64 * MIB,
        ),
        pool=pool,
        volumes=(pool, *volumes),
        held=tuple(claim.holder for claim in claimed),
        claims=claimed,
    )
