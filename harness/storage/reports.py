"""LVM's JSON reports as data.

Asked for with ``--reportformat json --units b --nosuffix``: every value is then text, sizes are
bytes, an absent value is ``""``, and a list of tags is joined with commas (which no tag holds).
The newer ``json_std`` format has numbers and lists instead; both are read. Warnings go to stderr.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from harness.errors import LabError
from harness.remote.command import Command
from harness.units import Size

_OPTIONS = ("--reportformat", "json", "--units", "b", "--nosuffix")
_VOLUME_FIELDS = (
    "vg_name,lv_name,lv_uuid,lv_size,lv_attr,pool_lv,origin,lv_tags,lv_active,lv_device_open,"
    "lv_permissions,lv_kernel_minor,data_percent,metadata_percent"
)
_GROUP_FIELDS = "vg_name,vg_size,vg_free,vg_extent_size"
_POOL_FIELDS = f"{_GROUP_FIELDS},lv_name,lv_size,chunk_size,lv_metadata_size"


@dataclass(frozen=True, kw_only=True)
class LogicalVolume:
    """One line of ``lvs``."""

    vg: str
    name: str
    uuid: str
    size: Size
    attr: str
    """The ten letters of lvs(8); the first is ``t`` for a thin pool, ``V`` for a thin volume."""
    pool: str | None
    origin: str | None
    tags: tuple[str, ...]
    active: bool
    in_use: bool
    """Whether its device is open: mounted, or behind a running domain."""
    writable: bool
    minor: int | None
    """The N of its device dm-N; None when it is not active."""
    data_percent: float | None
    """How much of its size is really allocated."""
    metadata_percent: float | None
    """For a thin pool: how full its metadata is."""

    @property
    def path(self) -> str:
        """The device to give to others."""
        return f"/dev/{self.vg}/{self.name}"

    @property
    def is_thin_pool(self) -> bool:
        """Whether it is a pool of thin volumes."""
        return self.attr.startswith("t")


@dataclass(frozen=True, kw_only=True)
class VolumeGroup:
    """One line of ``vgs``. Sizes in bytes."""

    name: str
    size: int
    free: int
    extent_size: int


@dataclass(frozen=True, kw_only=True)
class PoolShape:
    """What a thin pool and its volume group are, however full. Sizes in bytes."""

    group: VolumeGroup
    name: str
    size: int
    chunk: int
    """What is taken at a time, be a single byte written."""
    metadata_size: int


def lvs_command(vg: str) -> Command:
    """The command whose output `parse_lvs` reads."""
    return Command.of("lvs", *_OPTIONS, "-o", _VOLUME_FIELDS, vg)


def vgs_command(vg: str) -> Command:
    """The command whose output `parse_vgs` reads."""
    return Command.of("vgs", *_OPTIONS, "-o", _GROUP_FIELDS, vg)


def pool_command(vg: str, pool: str) -> Command:
    """The command whose output `parse_pool` reads. Not `lvs_command` with more fields: one that
    belongs to segments, as the chunk's size, makes a line of each segment of each volume."""
    return Command.of("lvs", *_OPTIONS, "-o", _POOL_FIELDS, f"{vg}/{pool}")


def parse_lvs(text: str) -> tuple[LogicalVolume, ...]:
    """The volumes in a report; `LabError` if it is none."""
    return tuple(_volume(row) for row in _rows(text, "lv"))


def parse_vgs(text: str) -> tuple[VolumeGroup, ...]:
    """The volume groups in a report; `LabError` if it is none."""
    try:
        return tuple(_group(row) for row in _rows(text, "vg"))
    except (KeyError, ValueError) as error:
        raise _unreadable(text, error) from error


def parse_pool(text: str) -> PoolShape:
    """The thin pool in a report; `LabError` if it is none, or not of a thin pool."""
    try:
        (row,) = _rows(text, "lv")
        found = PoolShape(
            group=_group(row),
            name=row["lv_name"].strip("[]"),
            size=int(row["lv_size"]),
            chunk=int(row["chunk_size"] or 0),
            metadata_size=int(row["lv_metadata_size"] or 0),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise _unreadable(text, error) from error
    if not (found.chunk and found.metadata_size):
        msg = f"{found.group.name}/{found.name} is not a thin pool"
        raise LabError(msg)
    return found


def _group(row: dict[str, Any]) -> VolumeGroup:
    return VolumeGroup(
        name=row["vg_name"],
        size=int(row["vg_size"]),
        free=int(row["vg_free"]),
        extent_size=int(row["vg_extent_size"]),
    )


def _rows(text: str, kind: str) -> list[dict[str, Any]]:
    try:
        return [row for report in json.loads(text)["report"] for row in report.get(kind, [])]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(text, error) from error


def _volume(row: dict[str, Any]) -> LogicalVolume:
    tags = row.get("lv_tags") or []
    minor = int(row.get("lv_kernel_minor") or -1)
    try:
        return LogicalVolume(
            vg=row["vg_name"],
            name=row["lv_name"].strip("[]"),
            uuid=row["lv_uuid"],
            size=Size(int(row["lv_size"])),
            attr=row["lv_attr"],
            pool=row["pool_lv"] or None,
            origin=row["origin"] or None,
            tags=tuple(tags.split(",") if isinstance(tags, str) else tags),
            active=row["lv_active"] not in ("", None),
            in_use=row["lv_device_open"] in ("open", 1),
            writable=row["lv_permissions"].startswith("writeable"),
            minor=minor if minor >= 0 else None,
            data_percent=_percent(row["data_percent"]),
            metadata_percent=_percent(row["metadata_percent"]),
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _unreadable(json.dumps(row), error) from error


def _percent(value: str | float | None) -> float | None:
    return None if value in ("", None) else float(value or 0)


def _unreadable(text: str, error: Exception) -> LabError:
    msg = f"cannot read LVM's report ({type(error).__name__}: {error}): {text.strip()[:200]!r}"
    return LabError(msg, hint="LVM 2.02.158 or newer is needed, for --reportformat json")
