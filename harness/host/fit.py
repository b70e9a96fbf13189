"""Whether a job fits on its host: now, later, or never. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.flight.model import HostSpec
from harness.host.room import HostRoom, Want, data_to_come, memory_to_come, vcpus_in_use
from harness.storage.volumes import MOST_DATA, MOST_METADATA
from harness.units import human_size


class Resource(StrEnum):
    """What there can be too little of."""

    MEMORY = "hypervisor memory"
    VCPUS = "vCPUs"
    DATA = "thin-pool data"
    METADATA = "thin-pool metadata"

    def amount(self, number: int) -> str:
        """So much of it, in words."""
        return human_vcpus(number) if self is Resource.VCPUS else human_size(number)


@dataclass(frozen=True, kw_only=True)
class Supply:
    """How much there is of something. *most*: what may be in use at once; in bytes, but vCPUs."""

    resource: Resource
    most: int
    used: int
    promised: int
    """To jobs that have not taken it yet."""

    @property
    def spare(self) -> int:
        """What a job that comes now could have."""
        return max(0, self.most - self.used - self.promised)


@dataclass(frozen=True, kw_only=True)
class Shortage:
    """A job wants more of something than there is."""

    supply: Supply
    wanted: int

    @property
    def resource(self) -> Resource:
        """What there is too little of."""
        return self.supply.resource

    def told(self, host: str) -> str:
        """``306 MiB of hypervisor memory on rack1: 212 MiB free, 518 MiB wanted``."""
        supply, amount = self.supply, self.resource.amount
        missing, kind = amount(self.wanted - supply.spare), self.resource
        what = f"{missing} of {kind}" if kind is not Resource.VCPUS else missing
        free = f"{amount(supply.spare)} free"
        if supply.promised:
            free += f" (and {amount(supply.promised)} promised to other jobs)"
        return f"{what} on {host}: {free}, {amount(self.wanted)} wanted"


def supplies(room: HostRoom, spec: HostSpec) -> tuple[Supply, ...]:
    """What the host of *spec* has of each resource."""
    data, metadata = data_to_come(room), room.metadata_for(data_to_come(room))
    return (
        _memory(room, spec),
        Supply(
            resource=Resource.VCPUS,
            most=most_vcpus(room, spec),
            used=vcpus_in_use(room),
            promised=0,
        ),
        Supply(
            resource=Resource.DATA,
            most=_most(room.shape.size, MOST_DATA),
            used=room.data_used,
            promised=data,
        ),
        Supply(
            resource=Resource.METADATA,
            most=_most(room.shape.metadata_size, MOST_METADATA),
            used=room.metadata_used,
            promised=metadata,
        ),
    )


def shortages(room: HostRoom, spec: HostSpec, want: Want) -> tuple[Shortage, ...]:
    """What there is too little of for *want* just now; empty when it fits."""
    wanted = _wanted(room, want)
    found = (Shortage(supply=one, wanted=wanted[one.resource]) for one in supplies(room, spec))
    return tuple(one for one in found if one.wanted > one.supply.spare)


def impossible(room: HostRoom, spec: HostSpec, want: Want) -> str:
    """Why *want* fits on that host at no time, however empty it is; empty when it may."""
    memory, wanted = _guests_memory(room, spec), _wanted(room, want)
    reasons = []
    if wanted[Resource.MEMORY] > memory:
        reasons.append(
            f"a guest of {human_size(want.memory)} takes {human_size(wanted[Resource.MEMORY])} of "
            f"memory, and guests have {human_size(memory)} of its {human_size(room.total_memory)}"
        )
    if want.vcpus > most_vcpus(room, spec):
        reasons.append(
            f"{human_vcpus(want.vcpus)} wanted, and with {room.cpus} CPUs and a vcpu_overcommit of "
            f"{spec.vcpu_overcommit:g} there are {most_vcpus(room, spec)}"
        )
    if want.disks > room.shape.group.size:
        reasons.append(
            f"disks of {human_size(want.disks)} are more than its volume group "
            f"{room.shape.group.name} has in all, {human_size(room.shape.group.size)}"
        )
    elif wanted[Resource.DATA] > _most(room.shape.size, MOST_DATA):
        reasons.append(
            f"{human_size(want.data)} are expected to be written, and of its thin pool of "
            f"{human_size(room.shape.size)} {MOST_DATA:g} % are the most"
        )
    elif wanted[Resource.METADATA] > _most(room.shape.metadata_size, MOST_METADATA):
        reasons.append(
            f"{human_size(want.data)} that are expected to be written may need more metadata than "
            f"its thin pool has, {human_size(room.shape.metadata_size)}"
        )
    return f"{spec.name}: {'; '.join(reasons)}" if reasons else ""


def human_vcpus(number: int) -> str:
    """``1 vCPU``, ``2 vCPUs``."""
    return f"{number} vCPU" + ("" if number == 1 else "s")


def most_vcpus(room: HostRoom, spec: HostSpec) -> int:
    """How many vCPUs guests may have together."""
    return int(room.cpus * spec.vcpu_overcommit)


def _memory(room: HostRoom, spec: HostSpec) -> Supply:
    """dom0 gives what it has above what it keeps, whenever xl asks for it."""
    given = max(0, room.dom0_memory - spec.dom0_memory) if room.balloons else 0
    free = room.free_memory + given
    # What domains take is not reckoned up: the hypervisor says what is left.
    return Supply(resource=Resource.MEMORY, most=free, used=0, promised=memory_to_come(room))


def _guests_memory(room: HostRoom, spec: HostSpec) -> int:
    dom0 = min(room.dom0_memory, spec.dom0_memory) if room.balloons else room.dom0_memory
    return max(0, room.total_memory - dom0)


def _wanted(room: HostRoom, want: Want) -> dict[Resource, int]:
    return {
        Resource.MEMORY: want.memory + want.overhead,
        Resource.VCPUS: want.vcpus,
        Resource.DATA: want.data,
        Resource.METADATA: room.metadata_for(want.data),
    }


def _most(size: int, percent: float) -> int:
    return int(size * percent / 100)
