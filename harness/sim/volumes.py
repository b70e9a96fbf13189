"""The volume group of a simulated host: a thin pool, thin volumes, and what is written in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from harness.units import Size

EXTENT = 4 << 20
CHUNK = 64 << 10
METADATA = 128 << 20
"""Of a thin pool, in bytes."""
SPARE = 2 << 30
"""Bytes of the group that are not in its pool."""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(kw_only=True)
class Contents:
    """What is on a disk, as far as anybody asks: the files that matter, by path."""

    files: dict[str, bytes] = field(default_factory=dict)
    swap: bool = False
    backing: str | None = None
    """Of a qcow2 image: the device that it is laid over."""
    written: int = 0
    """Bytes that are allocated for this volume alone."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of those files that are large."""
    deleted: int = 0
    """Bytes that were written and are in no file any more."""
    formatted: int = 0
    """Bytes that a file system on it takes; 0 when nobody made one here."""

    def snapshot(self) -> Contents:
        """The same, to be changed apart."""
        return Contents(
            files=dict(self.files),
            swap=self.swap,
            backing=self.backing,
            sizes=dict(self.sizes),
            formatted=self.formatted,
        )


@dataclass(kw_only=True)
class Volume:
    """A volume, or a file that serves as a disk. *size* in bytes."""

    name: str
    size: int
    minor: int
    tags: set[str] = field(default_factory=set)
    origin: str | None = None
    writable: bool = True
    thin: bool = True
    contents: Contents = field(default_factory=Contents)


@dataclass(kw_only=True)
class VolumeGroup:
    """A group with one thin pool. What fills the pool beside our volumes is *taken*, in bytes."""

    name: str
    pool: str
    pool_size: int
    taken: int = 0
    metadata_percent: float = 10.3
    volumes: dict[str, Volume] = field(default_factory=dict)
    _minors: int = 3

    def add(
        self, name: str, size: int, *, tags: set[str] | None = None, origin: Volume | None = None
    ) -> Volume:
        """A new volume; a snapshot of *origin*, if that is given."""
        self._minors += 1
        volume = Volume(name=name, size=-(-size // EXTENT) * EXTENT, minor=self._minors)
        volume.tags |= tags or set()
        if origin:
            volume.origin = origin.name
            volume.contents = origin.contents.snapshot()
        self.volumes[name] = volume
        return volume

    def at(self, device: str) -> Volume | None:
        """The volume behind ``/dev/GROUP/NAME``, with or without a question mark and an offset."""
        return self.volumes.get(device.partition("?")[0].removeprefix(f"/dev/{self.name}/"))

    @property
    def used(self) -> int:
        """Bytes of the pool that are in use."""
        thin = (one for one in self.volumes.values() if one.thin)
        return self.taken + sum(one.contents.written for one in thin)

    @property
    def free(self) -> int:
        """Bytes of the group that are in no volume."""
        return SPARE - sum(one.size for one in self.volumes.values() if not one.thin)

    def percent(self, volume: Volume) -> float:
        """How much of a volume is allocated, that of its origin included."""
        origin = self.volumes.get(volume.origin or "")
        shared = origin.contents.written if origin else 0
        return 100 * (volume.contents.written + shared) / volume.size


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of `lvs`."""

    name: str
    size: int
    attr: str
    minor: int
    open: bool
    pool: str = ""
    origin: str = ""
    tags: str = ""
    permissions: str = "writeable"
    data_percent: str = ""
    metadata_percent: str = ""


def rows(
    group: VolumeGroup, opened: set[str], data_percent: float, metadata_percent: float
) -> Iterator[Row]:
    """Every volume, in LVM's order; *opened* are those that somebody has open."""
    for name in sorted([group.pool, *group.volumes]):
        if name == group.pool:
            used = bool(group.volumes)
            yield Row(
                name=name,
                size=group.pool_size,
                attr=f"twi-a{'o' if used else '-'}t---",
                minor=2,
                open=used,
                data_percent=f"{data_percent:.2f}",
                metadata_percent=f"{metadata_percent:.2f}",
            )
            continue
        volume = group.volumes[name]
        access, held = "w" if volume.writable else "r", name in opened
        yield Row(
            name=name,
            size=volume.size,
            attr=f"V{access}i-a{'o' if held else '-'}t---"
            if volume.thin
            else f"-{access}i-a{'o' if held else '-'}----",
            minor=volume.minor,
            open=held,
            pool=group.pool if volume.thin else "",
            origin=volume.origin or "",
            tags=",".join(sorted(volume.tags)),
            permissions="writeable" if volume.writable else "read-only",
            data_percent=f"{group.percent(volume):.2f}" if volume.thin else "",
        )


def uuid_of(name: str) -> str:
    """An LVM UUID: 32 letters and digits in seven groups."""
    digest = hashlib.sha256(name.encode()).digest()
    text = "".join(_DIGITS[byte % len(_DIGITS)] for byte in digest)
    return "-".join(text[a:b] for a, b in pairwise((0, 6, 10, 14, 18, 22, 26, 32)))


def pool_size(disk: Size) -> int:
    """Of a pool on *disk*, in whole extents."""
    return disk // EXTENT * EXTENT
