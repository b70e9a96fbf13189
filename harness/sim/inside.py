"""A guest of a simulated host, from within: what its programs can see and change."""

from __future__ import annotations

from dataclasses import dataclass

from harness.sim.domains import SimDomain
from harness.sim.guest import FORGETFUL, Machine, SimGuest
from harness.sim.host import SimHost
from harness.sim.volumes import Volume


@dataclass(frozen=True, kw_only=True)
class Inside:
    """A guest, from within."""

    host: SimHost
    guest: SimGuest
    machine: Machine
    domain: SimDomain
    session: str
    words: tuple[str, ...]
    stdin: bytes

    @property
    def files(self) -> dict[str, bytes]:
        """On its first disk."""
        return self.host.root_of(self.domain.config).files

    @property
    def forgets(self) -> bool:
        """Whether what is in its /var is not on its disk."""
        return FORGETFUL in self.machine.cmdline

    def disk(self, device: str) -> Volume | None:
        """What is behind a disk that it calls so."""
        found = (disk for disk in self.domain.config.disks if disk.vdev == device)
        return self.host.behind(next((disk.target for disk in found), ""))
