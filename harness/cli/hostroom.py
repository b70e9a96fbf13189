"""What `xenflight hosts` shows of memory, vCPUs and disks. Imported when it runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.flight.model import HostSpec
from harness.host.fit import Resource, supplies
from harness.host.room import HostRoom
from harness.units import human_size

BALLOONS = (
    "dom0 has no fixed size, and gives memory to guests; dom0_mem= on Xen's line gives it one"
)
_KEYS = ("memory", "vcpus", "data", "metadata", "claims")


def room_cells(room: HostRoom, spec: HostSpec) -> tuple[str, ...]:
    """Memory that a guest could have, vCPUs in use of as many as may be, how full the pool is."""
    found = {one.resource: one for one in supplies(room, spec)}
    vcpus = found[Resource.VCPUS]
    return (
        f"{human_size(found[Resource.MEMORY].spare)} free",
        f"{vcpus.used}/{vcpus.most}",
        f"{room.pool.data_percent or 0:.0f} %",
        f"{room.pool.metadata_percent or 0:.0f} %",
    )


def room_dict(room: HostRoom | None, spec: HostSpec) -> dict[str, Any]:
    """The same for JSON, with all that is known: bytes, and vCPUs; null where nobody could tell."""
    if room is None:
        return dict.fromkeys(_KEYS)
    memory, vcpus, data, metadata = (
        {"most": one.most, "used": one.used, "promised": one.promised, "free": one.spare}
        for one in supplies(room, spec)
    )
    # Of memory there is no sum that may be in use: the hypervisor says what is left.
    own = {"total": room.total_memory, "dom0": room.dom0_memory, "balloons": room.balloons}
    own |= {"free": memory["free"], "promised": memory["promised"]}
    group = room.shape.group
    pool = {"size": room.shape.size, "group_size": group.size, "group_free": group.free}
    claims = [{"slot": claim.holder.slot, **asdict(claim.want)} for claim in room.claims]
    return {
        "memory": own,
        "vcpus": {**vcpus, "cpus": room.cpus},
        "data": {**data, **pool},
        "metadata": {**metadata, "size": room.shape.metadata_size},
        "claims": claims,
    }
