"""What a flight must leave on a host as it was."""

from __future__ import annotations

from dataclasses import dataclass, fields

from harness.sim.host import SimHost
from harness.sim.xenstore import tree
from harness.storage.names import Role, tag_value


@dataclass(frozen=True, kw_only=True)
class HostState:
    """All of a host that a guest may leave something of. Memory in MiB."""

    domains: frozenset[str]
    volumes: frozenset[str]
    xenstore: frozenset[str]
    interfaces: frozenset[str]
    devices: frozenset[str]
    consoles: frozenset[int]
    files: frozenset[str]
    locks: frozenset[str]
    slots: frozenset[tuple[str, int]]
    free_memory: int

    def more_than(self, before: HostState) -> dict[str, list[str]]:
        """What is here and was not, by kind; empty when nothing is."""
        found = {}
        for one in fields(self):
            mine, theirs = getattr(self, one.name), getattr(before, one.name)
            if isinstance(mine, frozenset):
                found[one.name] = sorted(map(str, mine - theirs))
            elif mine < theirs:
                found[one.name] = [f"{mine}, and it was {theirs}"]
        return {kind: left for kind, left in found.items() if left}


def state_of(host: SimHost) -> HostState:
    """That of *host* now. Golden volumes are no flight's, and stay."""
    volumes = host.group.volumes.values()
    return HostState(
        domains=frozenset(one.name for one in host.domains.values()),
        volumes=frozenset(
            one.name for one in volumes if tag_value(one.tags, "role") != Role.GOLDEN
        ),
        xenstore=frozenset(tree(host)),
        interfaces=frozenset(host.interfaces),
        devices=frozenset([*host.pci.owners, *host.pci.assignable, *host.borrowed]),
        consoles=frozenset(host.consoles.values()),
        files=frozenset(host.files.owned()),
        locks=frozenset(host.locks.held),
        slots=frozenset(host.slots.held),
        free_memory=host.free_memory,
    )
