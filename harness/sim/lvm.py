"""LVM's commands, in the words of LVM 2.03 (selftests/data/lvm, and its sources)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from harness.flight.faults import FaultKind
from harness.sim.host import SimHost
from harness.sim.request import Answer, Handler, Request
from harness.sim.volumes import CHUNK, EXTENT, METADATA, SPARE, Row, VolumeGroup, rows, uuid_of
from harness.storage.volumes import MOST_DATA
from harness.units import Size

REFUSED = 5
"""The exit status of an LVM command that failed (ECMD_FAILED)."""
_FULL = 99.5
_TAKES = 0.15
_WITH_VALUE = (
    *("--wipesignatures", "--setactivationskip", "--virtualsize", "--thinpool", "--name"),
    *("--addtag", "--deltag", "--permission", "--size", "--reportformat", "--units", "-o"),
    "--options",
)


def read_options(words: Iterable[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The options of a command with their values, and its other words."""
    options: dict[str, list[str]] = {}
    others: list[str] = []
    left = iter(words)
    for word in left:
        if word in _WITH_VALUE:
            options.setdefault(word, []).append(next(left, ""))
        elif word.startswith("-"):
            options.setdefault(word, [])
        else:
            others.append(word)
    return options, others


def lvs(host: SimHost, request: Request) -> Answer:
    """``lvs``: the report that `parse_lvs` reads, or a table."""
    options, others = read_options(request.words)
    if missing := _no_group(host, others):
        return missing
    tables = host.group.metadata_percent
    if host.faults.strike(FaultKind.POOL_METADATA_FULL):
        tables = _FULL
    found = list(rows(host.group, host.opened(), data_percent(host), tables))
    if name := next(iter(others), "").partition("/")[2]:
        found = [row for row in found if row.name == name]
        if not found:
            return _refuse(f'Failed to find logical volume "{others[0]}"')
    if options.get("-o") == ["discards"]:
        return Answer(stdout="  passdown\n")
    if "--reportformat" in options:
        wanted = options["-o"][0].split(",")
        fields = (_fields(host.group, row) for row in found)
        return Answer(stdout=_report("lv", ({key: row[key] for key in wanted} for row in fields)))
    lines = [f"  {host.group.name} {row.name} {row.attr} {row.size >> 20}.00m" for row in found]
    return Answer(stdout="\n".join(["  VG LV Attr LSize", *lines]) + "\n")


def vgs(host: SimHost, request: Request) -> Answer:
    """``vgs``: the same for the group."""
    options, others = read_options(request.words)
    if missing := _no_group(host, others):
        return missing
    group = host.group
    if "--reportformat" in options:
        return Answer(stdout=_report("vg", [_of_group(group)]))
    return Answer(stdout=f"  VG #PV #LV VSize\n  {group.name} 1 {len(group.volumes) + 1}\n")


def lvcreate(host: SimHost, request: Request) -> Answer:
    """``lvcreate``: a thin volume, a thin snapshot, or one that is not thin."""
    options, others = read_options(request.words)
    group, name = host.group, options["--name"][0]
    vg, _, origin = others[0].partition("/")
    if missing := _no_group(host, [vg]):
        return missing
    if name in group.volumes or name == group.pool:
        return _refuse(f'Logical Volume "{name}" already exists in volume group "{vg}"')
    source = group.volumes.get(origin)
    if origin and source is None:
        return _refuse(f"Snapshot origin LV {origin} not found in Volume group {vg}.")
    if "--size" in options:
        return _thick(host, name, Size.parse(options["--size"][0]), options)
    full = host.faults.strike(FaultKind.NO_SPACE, job=request.job, command=request.name)
    if full or data_percent(host) > MOST_DATA + 5:
        pool = f"{vg}/{group.pool}"
        return _refuse(
            f"Cannot create new thin volume, free space in thin pool {pool} reached threshold."
        )
    size = source.size if source else Size.parse(options["--virtualsize"][0])
    group.add(name, size, tags=set(options.get("--addtag", ())), origin=source)
    return _done(f'Logical volume "{name}" created.')


def _thick(host: SimHost, name: str, size: Size, options: Mapping[str, list[str]]) -> Answer:
    group = host.group
    if size > group.free:
        extents = f"{group.free // EXTENT} extents): {size // EXTENT} required"
        return _refuse(f'Volume group "{group.name}" has insufficient free space ({extents}.')
    group.add(name, size, tags=set(options.get("--addtag", ()))).thin = False
    return _done(f'Logical volume "{name}" created.')


def lvchange(host: SimHost, request: Request) -> Answer:
    """``lvchange``: tags and permission, all at once or not at all."""
    options, others = read_options(request.words)
    volume = host.group.at(f"/dev/{others[0]}")
    if volume is None:
        return _refuse(f'Failed to find logical volume "{others[0]}"')
    if "--permission" in options:
        writable = options["--permission"][0] != "r"
        if writable == volume.writable and len(options) == 2:
            state = "writable" if writable else "read only"
            return _refuse(f'Logical volume "{others[0]}" is already {state}.')
        volume.writable = writable
    volume.tags |= set(options.get("--addtag", ()))
    volume.tags -= set(options.get("--deltag", ()))
    return _done(f"Logical volume {others[0]} changed.")


def lvextend(host: SimHost, request: Request) -> Answer:
    """``lvextend``."""
    options, others = read_options(request.words)
    volume = host.group.at(f"/dev/{others[0]}")
    if volume is None:
        return _refuse(f'Failed to find logical volume "{others[0]}"')
    volume.size = max(volume.size, Size.parse(options["--size"][0]))
    return _done(f"Logical volume {others[0]} successfully resized.")


def lvremove(host: SimHost, request: Request) -> Answer:
    """``lvremove``: what is open stays."""
    _, others = read_options(request.words)
    volume = host.group.at(f"/dev/{others[0]}")
    if volume is None:
        return _refuse(f'Failed to find logical volume "{others[0]}"')
    busy = host.faults.strike(FaultKind.LV_BUSY, job=request.job, command=request.name)
    if busy:
        host.held.add(volume.name)
    else:
        host.held.discard(volume.name)
    if volume.name in host.opened():
        # It tries for five seconds by itself (lvm.conf, activation/retry_deactivation).
        return _refuse(f"Logical volume {others[0]} in use.", seconds=5.0)
    del host.group.volumes[volume.name]
    return _done(f'Logical volume "{volume.name}" successfully removed.')


def data_percent(host: SimHost) -> float:
    """How full the pool's data is. Looked at by every LVM command, and told by `lvs`."""
    if host.faults.strike(FaultKind.POOL_DATA_FULL):
        return _FULL
    return min(100.0, 100 * host.group.used / host.group.pool_size)


def describe_holders(host: SimHost, request: Request) -> Answer:
    """Who has a volume open: `harness.storage.holders`."""
    minor = int(request.words[0].removeprefix("dm-"))
    volume = next((one for one in host.group.volumes.values() if one.minor == minor), None)
    if volume is None:
        return Answer(stderr=f"cat: /sys/block/dm-{minor}/dev: No such file or directory\n")
    lines = [f"vbd of domain {domid}\n" for domid in host.domids_on(volume.name)]
    if not lines and volume.name in host.held:
        lines = ["process 4711 (/lib/systemd/systemd-udevd)\n"]
    return Answer(stdout="".join(lines))


def _no_group(host: SimHost, words: Iterable[str]) -> Answer | None:
    wanted = next(iter(words), host.group.name).partition("/")[0]
    gone = host.faults.strike(FaultKind.NO_VG)
    if wanted == host.group.name and not gone:
        return None
    return Answer(
        stderr=f'  Volume group "{wanted}" not found\n  Cannot process volume group {wanted}\n',
        status=REFUSED,
    )


def _refuse(text: str, seconds: float = _TAKES) -> Answer:
    return Answer(stderr=f"  {text}\n", status=REFUSED, seconds=seconds, disk=True)


def _done(text: str) -> Answer:
    return Answer(stdout=f"  {text}\n", seconds=_TAKES, disk=True)


def _of_group(group: VolumeGroup) -> dict[str, str]:
    return {
        "vg_name": group.name,
        "vg_size": str(int(group.pool_size) + SPARE),
        "vg_free": str(group.free),
        "vg_extent_size": str(EXTENT),
    }


def _fields(group: VolumeGroup, row: Row) -> dict[str, str]:
    pool = row.name == group.pool
    return {
        **_of_group(group),
        "lv_name": row.name,
        "lv_uuid": uuid_of(row.name),
        "lv_size": str(int(row.size)),
        "lv_attr": row.attr,
        "pool_lv": row.pool,
        "origin": row.origin,
        "lv_tags": row.tags,
        "lv_active": "active",
        "lv_device_open": "open" if row.open else "",
        "lv_permissions": row.permissions,
        "lv_kernel_minor": str(row.minor),
        "data_percent": row.data_percent,
        "metadata_percent": row.metadata_percent,
        "chunk_size": str(CHUNK) if pool else "0",
        "lv_metadata_size": str(METADATA) if pool else "",
    }


def _report(kind: str, found: Iterable[Mapping[str, str]]) -> str:
    """As LVM lays it out."""
    texts = (
        "{"
        + ", ".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in row.items())
        + "}"
        for row in found
    )
    body = ",\n".join(" " * 18 + text for text in texts)
    return (
        f'  {{\n      "report": [\n          {{\n              "{kind}": [\n{body}\n'
        "              ]\n          }\n      ]\n  }\n"
    )


PROGRAMS: Mapping[str, Handler] = {
    "lvs": lvs,
    "vgs": vgs,
    "lvcreate": lvcreate,
    "lvchange": lvchange,
    "lvextend": lvextend,
    "lvremove": lvremove,
    "describe-holders": describe_holders,
}
