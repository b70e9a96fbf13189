"""Quantities of a host before and after a flight: memory of the hypervisor, room in the thin pool.

Neither bears anybody's mark. So each is first accounted for, as far as there are accounts, and
what is then still missing is ours only if nobody else was there at either time. How much may be
missing is said beside each tolerance; it is told either way.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.host.census import Census
from harness.host.ledger import Figure
from harness.host.owners import Owners, Whose
from harness.storage.names import Role, tag_value
from harness.storage.reports import LogicalVolume
from harness.units import Size, human_size
from harness.xen.listing import DomainInfo, DomainState

MEMORY_SLACK = 16
"""MiB. xl rounds every domain's memory to a whole MiB; Xen's own heap and dom0's grant frames grow
with the first domains, and stay."""
POOL_SLACK = Size.parse("16M")
"""For the chunks (64 KiB to 1 MiB each) of which a volume's end fills only a part."""
ROUNDING = 0.0001
"""LVM tells percentages to the hundredth: half of one is lost before and half after."""


def figures(before: Census, after: Census, owners: Owners) -> tuple[Figure, ...]:
    """What there is to say of both; no leak where somebody else had a part in it."""
    alone = not any(_strangers(census, owners) for census in (before, after))
    memory = _memory(before, after, alone=alone)
    pool = _pool(before, after, alone=alone)
    return (memory, pool) if pool else (memory,)


def _strangers(census: Census, owners: Owners) -> bool:
    """Whether anybody else has a domain on the host."""
    others = (Whose.OTHERS, Whose.DOMAIN)
    return any(owners.of_domain(name).whose in others for name in census.names.values())


def _memory(before: Census, after: Census, *, alone: bool) -> Figure:
    """Memory that is neither free nor any domain's is Xen's own, and should be as much as before.

    dom0 counts as a domain: what it ballooned is another's, and nobody's loss.
    """
    missing = _accounted(before) - _accounted(after)
    new = [one for one in after.domains if one.domid not in before.names and one.domid]
    allowed = MEMORY_SLACK + sum(map(_tables, new))
    text = f"{before.free_memory} MiB free before, {after.free_memory} MiB after"
    leak = ""
    if missing > allowed:
        why = f"{missing} MiB are missing that no domain has; {allowed} MiB may be"
        changing = any(one.state is DomainState.DYING for one in (*before.domains, *after.domains))
        if alone and not changing:
            leak = f"memory of Xen: {why}"
        text += f"; {why}" + ("" if leak else ", and others were at work on the host")
    return Figure(name="memory of Xen", text=text, leak=leak)


def _accounted(census: Census) -> int:
    return census.free_memory + sum(domain.memory for domain in census.domains)


def _tables(domain: DomainInfo) -> int:
    """MiB that Xen keeps for the page tables of a PVH or HVM domain, at most.

    1 MiB for each vCPU and 8 KiB for each MiB (libxl__get_required_paging_memory).
    """
    return domain.vcpus + domain.memory // 128 + 1


def _pool(before: Census, after: Census, *, alone: bool) -> Figure | None:
    """The pool may grow by the golden volumes that came, less those that went, and by no more.

    Volumes that are written to meanwhile (a kept guest's, another's) grow as they like, and a
    snapshot's share can't be told from its origin's: then there is no account.
    """
    if before.pool is None or after.pool is None:
        return None
    grown = _in_use(after.pool) - _in_use(before.pool)
    came, went = _difference(after, before), _difference(before, after)
    expected = sum(map(_in_use, came)) - sum(map(_in_use, went))
    rounding = ROUNDING * (after.pool.size + sum(one.size for one in (*came, *went)))
    allowed = POOL_SLACK + int(rounding)
    text = f"{_percent(before.pool)} before, {_percent(after.pool)} after"
    text += f"; golden volumes: {len(came)} more, {len(went)} fewer" if came or went else ""
    leak = ""
    if grown - expected > allowed and alone and not (_writable(before) or _writable(after)):
        over = human_size(Size(grown - expected))
        leak = f"thin pool: {over} more are in use than its volumes account for"
        leak += f"; {human_size(Size(allowed))} may be"
    return Figure(name="thin pool", text=text, leak=leak)


def _in_use(volume: LogicalVolume) -> int:
    return int(volume.size * (volume.data_percent or 0) / 100)


def _percent(pool: LogicalVolume) -> str:
    metadata = pool.metadata_percent
    more = f" (metadata {metadata:.2f} %)" if metadata is not None else ""
    return f"{pool.data_percent or 0:.2f} %{more}"


def _thin(census: Census) -> Iterable[LogicalVolume]:
    pool = census.pool
    return (one for one in census.volumes if pool and one.pool == pool.name)


def _golden(volume: LogicalVolume) -> bool:
    return tag_value(volume.tags, "role") == Role.GOLDEN


def _difference(of: Census, less: Census) -> list[LogicalVolume]:
    """Golden volumes that are in one census and not in the other."""
    known = {volume.name for volume in less.volumes if _golden(volume)}
    return [one for one in _thin(of) if _golden(one) and one.name not in known]


def _writable(census: Census) -> bool:
    """Whether there are thin volumes that are no golden ones."""
    return any(not _golden(volume) for volume in _thin(census))
