"""What a fake host says when it is asked for a census: in the words of a real one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from harness.host.censustaking import COMMANDS
from harness.host.pci import CLAIMS
from harness.remote.fake import Call, Reply


class Contents(Protocol):
    """What else is on the fake host; `harness.host.fake.FakeHost` has it."""

    domains: dict[str, int]
    interfaces: list[str]


@dataclass
class FakeCensus:
    """Things of kinds that nothing but a census asks for; change them as you like."""

    loops: dict[str, str] = field(default_factory=dict)
    """Device to what is behind it."""
    nbds: dict[str, int] = field(default_factory=dict)
    """Device, such as ``nbd0``, to the process that serves it."""
    mounts: dict[str, str] = field(default_factory=lambda: {"/": "/dev/vda"})
    """Where to what."""
    processes: dict[int, str] = field(default_factory=lambda: {1: "/sbin/init"})
    """Number to command line."""
    claims: dict[str, str] = field(default_factory=dict)
    """PCI devices that jobs have: address to domain and driver."""
    assignable: list[str] = field(default_factory=list)
    """The addresses of those that are pciback's."""
    files: list[str] = field(default_factory=list)
    xenstore: list[str] = field(default_factory=list)
    """Paths, beside those of the domains."""
    mapped: dict[str, int] = field(default_factory=dict)
    """Device-mapper's devices, beside those of the volumes, with their minor numbers."""
    free_memory: str = "3000"
    fails: str = ""
    """The part that can't be listed."""
    raises: Exception | None = None
    """What comes of asking."""
    taken: int = 0

    def answer(self, call: Call, host: Contents, xl_list: str, lvs: str) -> Reply:
        """Say what there is; *xl_list* and *lvs* are what those two commands say."""
        self.taken += 1
        if self.raises:
            return Reply(raises=self.raises)
        mark, parts = call.command.argv[4], self._parts(host, xl_list, lvs)
        assert [*parts] == [*COMMANDS, "volumes"]
        if self.fails:
            return Reply(exit_status=1, stderr=f"{self.fails}: no answer\n")
        lines = [line for name, text in parts.items() for line in (f"{mark}{name}", *text)]
        return Reply(stdout="\n".join([*lines, ""]))

    def _parts(self, host: Contents, xl_list: str, lvs: str) -> Mapping[str, list[str]]:
        names = [row["lv_name"] for row in json.loads(lvs)["report"][0]["lv"]]
        group = json.loads(lvs)["report"][0]["lv"][0]["vg_name"]
        numbered = {f"{group}-{name.replace('-', '--')}": n for n, name in enumerate(names, 3)}
        return {
            "domains": xl_list.splitlines(),
            "memory": [self.free_memory],
            "mapper": [f"{name}\t(253:{n})" for name, n in (numbered | self.mapped).items()],
            "loop": [f"{device} {behind}" for device, behind in self.loops.items()],
            "nbd": [f"/sys/block/{device}/pid {pid}" for device, pid in self.nbds.items()],
            "interfaces": host.interfaces,
            "ports": [f"/sys/class/net/{name}/brport" for name in host.interfaces if "vif" in name],
            "processes": [f"{pid:7} {line}" for pid, line in self.processes.items()],
            "claims": [f"{CLAIMS}/{device} {owner}" for device, owner in self.claims.items()],
            "assignable": [f"/sys/bus/pci/drivers/pciback/{one}" for one in self.assignable],
            "mounts": [f"{what} {where} ext4 rw 0 0" for where, what in self.mounts.items()],
            "files": self.files,
            "xenstore": [*self._tree(host), *(f'{path} = ""' for path in self.xenstore)],
            "volumes": [lvs],
        }

    def _tree(self, host: Contents) -> Iterator[str]:
        yield '/local/domain/0/name = "Domain-0"'
        for name, domid in host.domains.items():
            yield f'/libxl/{domid} = ""'
            yield f'/local/domain/0/backend/vbd/{domid}/51712 = ""'
            yield f'/local/domain/{domid}/name = "{name}"'
