"""A simulated host: all that is on it now. Commands change it (`harness.sim.programs`)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Protocol

from harness.flight.faults import FaultKind
from harness.flight.model import HostSpec, SimSpec
from harness.host.names import RUN_DIRECTORY, own_name, run_of_domain
from harness.host.slots import DRAIN_FILE
from harness.host.use import BOOT_ID
from harness.job.witness import DATA
from harness.sim.cards import Cards
from harness.sim.clock import SimClock
from harness.sim.disk import MENU, GuestFiles
from harness.sim.domains import (
    DOM0_MEMORY,
    Backend,
    Device,
    SimDomain,
    State,
    boot_id,
    by_qemu,
    make_uuid,
)
from harness.sim.faults import Faults
from harness.sim.files import Files
from harness.sim.guest import End, Machine, SimGuest
from harness.sim.locks import Locks
from harness.sim.request import Handler
from harness.sim.slots import Slots
from harness.sim.volumes import Contents, Volume, VolumeGroup, pool_size
from harness.sim.wires import reaches, talks
from harness.sim.xlcfg import DiskConfig, GuestConfig
from harness.storage.names import tag_value
from harness.testbox.volumes import BRIDGE, THIN_POOL, VOLUME_GROUP

BOOT = 60.0
"""Seconds from its power to its SSH server."""
BACKENDS_LINGER = 0.5
"""Seconds that a domain's back ends outlive it."""
_NETWORK = ipaddress.IPv4Network("10.77.0.0/24")
_FIRST_ADDRESS = 10
_NEARLY_NOTHING = 64


class Connection(Protocol):
    """What a host knows of a connection to it."""

    def lose(self) -> None:
        """It is gone."""
        ...


class SimHost:
    """One host. What talks to it are the runners of `harness.sim.runner`."""

    def __init__(self, spec: HostSpec, clock: SimClock) -> None:
        sim = spec.sim or SimSpec()
        self.spec = spec
        self.sim = sim
        self.name = spec.name
        self.clock = clock
        self.faults = Faults(clock, sim.faults)
        self.group = VolumeGroup(name=VOLUME_GROUP, pool=THIN_POOL, pool_size=pool_size(sim.disk))
        self.bridge = BRIDGE
        self.pci = Cards(spec.passthrough, iommu=sim.iommu)
        self.files = Files(clock)
        self.locks = Locks()
        self.slots = Slots(self)
        self.domains: dict[int, SimDomain] = {}
        self.backends: list[Backend] = []
        """Those whose domains are gone."""
        self.saved: dict[str, tuple[GuestConfig, SimGuest]] = {}
        """What is in the files of saved domains."""
        self.libvirt: set[str] = set()
        """The names of the domains that libvirt has made."""
        self.passing: dict[bytes, Callable[[], tuple[GuestConfig, SimGuest]]] = {}
        """What is on its way from one host to another, by what is sent of it. For all hosts."""
        self.lent: dict[str, Volume] = {}
        """Volumes that are lent to other hosts, by the name for that. For all hosts, too."""
        self.borrowed: dict[str, Volume] = {}
        """Devices that are volumes of another host."""
        self.xenstore: dict[str, str] = {}
        """What others wrote there."""
        self.consoles: dict[int, int] = {}
        """Console clients: process id to the domid that each is at."""
        self.images: dict[str, Volume] = {}
        """Files that serve as disks, by path."""
        self.taken_down: set[str] = set()
        """Interfaces of dom0's that are down."""
        self.checks_macs = False
        """Whether it drops what comes of a guest under another MAC address."""
        self.held: set[str] = set()
        """Volumes that are open for no reason that a domain gives."""
        self.connections: list[Connection] = []
        self.programs: dict[str, Handler] = {}
        """More than every simulated host has, for tests."""
        self.powered = True
        self.up = False
        """Whether it answers."""
        self.said = b""
        """On its serial line, of its last boots."""
        self.boots = 0
        """How many guests were started."""
        self._own_boots = 0
        self._last_domid = 0
        self._last_process = 2000
        self._owners: dict[str, str] = {}
        self.began = clock.monotonic()
        self._start()

    # -- domains -----------------------------------------------------------------------

    def find(self, name: str) -> SimDomain | None:
        """The domain of that name, or of that domid."""
        same = (one for one in self.domains.values() if name in (one.name, str(one.domid)))
        return next(same, None)

    @property
    def next_domid(self) -> int:
        """That of the next domain."""
        return self._last_domid + 1

    @property
    def free_memory(self) -> int:
        """Of the hypervisor, in MiB."""
        if self.faults.strike(FaultKind.MEMORY_TAKEN):
            return _NEARLY_NOTHING
        taken = sum(domain.memory for domain in self.domains.values())
        return self.sim.memory.mib - DOM0_MEMORY - taken - 44

    def create(self, config: GuestConfig) -> SimDomain:
        """A new domain, paused."""
        domid = self.next_domid
        guest = SimGuest(self.clock, self.faults, lambda how: self._guest_ended(domid, how))
        guest.reaches = lambda address: talks(self, guest) and reaches(self, address)
        return self._add(config, guest)

    def take_out(self, domain: SimDomain) -> SimGuest:
        """Its domain goes; the guest does not, and has another one later."""
        guest, shell = domain.guest, SimGuest(self.clock, self.faults, lambda _: None)
        shell.console, guest.console = guest.console, guest.console.heir()
        domain.guest = shell
        self.remove_domain(domain)
        return guest

    def put_in(self, config: GuestConfig, guest: SimGuest) -> SimDomain:
        """A new domain, paused, for a guest that has begun elsewhere."""
        domid = self.next_domid
        guest.moves_over(lambda how: self._guest_ended(domid, how))
        guest.reaches = lambda address: talks(self, guest) and reaches(self, address)
        if self.faults.strike(FaultKind.DATA_SPOILT, job=self.job_of(config.name)):
            self.root_of(config).files.pop(DATA, None)
        return self._add(config, guest)

    def rename(self, domain: SimDomain, name: str) -> None:
        """It is called that from now on."""
        domain.config = replace(domain.config, values={**domain.config.values, "name": name})
        self.files.write(_userdata(domain), f'{{"name": "{name}"}}\n'.encode())

    def _add(self, config: GuestConfig, guest: SimGuest) -> SimDomain:
        domid = self.next_domid
        self._last_domid = domid
        domain = SimDomain(
            domid=domid,
            config=config,
            uuid=make_uuid(config, domid),
            began=self.clock.monotonic(),
            guest=guest,
            memory=config.memory,
            vcpus=config.vcpus,
            served=config.text("type") == "hvm" or any(map(by_qemu, config.disks)),
            watcher=self.next_process(),
        )
        self.domains[domid] = domain
        self.files.write(_userdata(domain), f'{{"name": "{domain.name}"}}\n'.encode())
        return domain

    def unpause(self, domain: SimDomain) -> None:
        """Let it run; its guest starts if it has not."""
        first = domain.guest.machine is None
        domain.state = State.RUNNING
        if first:
            self.boots += 1
            domain.guest.start(self._machine(domain))

    def remove_domain(self, domain: SimDomain) -> None:
        """It is gone, and its back ends are soon."""
        if self.domains.pop(domain.domid, None) is None:
            return
        domain.guest.stop()
        self.files.remove(_userdata(domain))
        stays = self.faults.strike(FaultKind.BACKEND_STAYS, job=self.job_of(domain.name))
        for device in domain.devices:
            self.let_linger(domain, device, stays=bool(stays) and device.kind == "vbd")

    def let_linger(self, domain: SimDomain, device: Device, *, stays: bool = False) -> None:
        """Its back end is there for a moment yet, or for good."""
        backend = Backend(domid=domain.domid, device=device, guest=domain.guest)
        self.backends.append(backend)
        if not stays:
            self.clock.after(BACKENDS_LINGER, partial(self._forget_backend, backend))

    def _forget_backend(self, backend: Backend) -> None:
        self.backends = [one for one in self.backends if one is not backend]

    def _guest_ended(self, domid: int, how: End) -> None:
        domain = self.domains.get(domid)
        if domain is None:
            return
        config = domain.config
        if how is End.CRASH and config.text("on_crash") == "preserve":
            domain.state = State.CRASHED
            return
        domain.state = State.DYING
        again = how is End.REBOOT and config.text("on_reboot", "restart") == "restart"
        self.clock.after(0.3, lambda: self._end_domain(domain, again=again))

    def _end_domain(self, domain: SimDomain, *, again: bool) -> None:
        self.remove_domain(domain)
        if again:
            self.unpause(self.create(domain.config))

    def _machine(self, domain: SimDomain) -> Machine:
        config = domain.config
        files = GuestFiles(self.root_of(config).files)
        # What is started from outside gets its kernel line there; a boot loader reads a menu.
        menu = MENU in files.files and not config.text("cmdline")
        return Machine(
            job=self.job_of(domain.name),
            files=files,
            cmdline=files.menu_cmdline if menu else config.text("cmdline"),
            devices=frozenset(self._devices(config.disks)),
            mac=self._mac(config),
            cards=config.pci,
            address=str(_NETWORK[_FIRST_ADDRESS + domain.domid % 240]),
            boot_id=boot_id(domain.domid, domain.name, self.boots),
        )

    def _mac(self, config: GuestConfig) -> str:
        """Of its first interface: one of its own, or a card of ours."""
        if config.vifs:
            return config.vifs[0].mac
        return self.pci.mac(config.pci[0]) if config.pci else ""

    def root_of(self, config: GuestConfig) -> Contents:
        """What a domain of that configuration has on its first disk."""
        target = config.disks[0].target if config.disks else ""
        volume = self.group.at(target) or self.borrowed.get(target)
        contents = volume.contents if volume else Contents()
        below = self.group.at(contents.backing) if contents.backing else None
        return below.contents if below else contents

    def behind(self, target: str) -> Volume | None:
        """What a disk is in: a volume or a file."""
        return self.group.at(target) or self.images.get(target) or self.borrowed.get(target)

    @staticmethod
    def _devices(disks: tuple[DiskConfig, ...]) -> list[str]:
        # A whole disk is taken to have one partition.
        return [name for disk in disks for name in (disk.vdev, f"{disk.vdev}1")]

    # -- who is who --------------------------------------------------------------------

    def job_of(self, word: str) -> str:
        """Whose is it? Of a domain's name, a volume, a device or a slot's record: the job."""
        if word.startswith(f"{RUN_DIRECTORY}/slots/"):
            return self.slots.job_of(word)
        volume = self.group.at(word) or self.group.at(f"/dev/{word}")
        if volume:
            return tag_value(volume.tags, "job") or ""
        if run_of_domain(word):
            return self._owners.get(own_name(word), "")
        return ""

    def owns(self, domain: str, job: str) -> None:
        """The domain of that name is *job*'s."""
        if job:
            self._owners[domain] = job

    def opened(self) -> set[str]:
        """The volumes that somebody has open."""
        targets = [disk.target for one in self.domains.values() for disk in one.config.disks]
        targets += [one.device.config.get("params", "") for one in self.backends]
        volumes = [volume for target in targets if (volume := self.group.at(target))]
        below = [self.group.at(one.contents.backing or "") for one in volumes]
        names = {one.name for one in (*volumes, *below) if one}
        return names | (self.held & self.group.volumes.keys())

    def domids_on(self, volume: str) -> list[int]:
        """The domains that have a back end on it."""
        path = f"/dev/{self.group.name}/{volume}"
        live = [
            one.domid
            for one in self.domains.values()
            if any(disk.target == path for disk in one.config.disks)
        ]
        left = [one.domid for one in self.backends if one.device.config.get("params") == path]
        return sorted({*live, *left})

    def guest_at(self, address: str) -> SimGuest | None:
        """The guest that has *address* now."""
        for domain in self.domains.values():
            machine = domain.guest.machine
            if machine and machine.address == address and domain.guest.up:
                return domain.guest
        return None

    @property
    def interfaces(self) -> list[str]:
        """The network interfaces of dom0."""
        found = ["lo", "eth0", self.bridge]
        for domain in self.domains.values():
            found += domain.interfaces
        left = (one for one in self.backends if one.device.kind == "vif")
        return sorted({*found, *(f"vif{one.domid}.{one.device.number}" for one in left)})

    def next_process(self) -> int:
        """A process id."""
        self._last_process += 1
        return self._last_process

    # -- as a whole --------------------------------------------------------------------

    def lose_power(self, lasts: timedelta | None = None) -> None:
        """All but its disks is gone. It was reset, and has booted after *lasts*; or it is off."""
        self.powered, self.up = lasts is not None, False
        if lasts is not None:
            self.clock.after(lasts.total_seconds(), self._start)
        for connection in list(self.connections):
            connection.lose()
        for domain in self.domains.values():
            domain.guest.stop()
        self.domains.clear()
        self.saved.clear()
        self.backends.clear()
        self.held.clear()
        self.files.forget(RUN_DIRECTORY)
        self.locks.clear()
        self.slots.clear()

    def switch_on(self) -> None:
        """It has power again and boots, which takes a while."""
        self.powered = True
        if not self.faults.strike(FaultKind.BOOT_FAILS):
            self.clock.after(BOOT, self._start)

    def _start(self) -> None:
        """It has booted, and answers."""
        if self.up:
            return
        self.powered = self.up = True
        self._own_boots += 1
        own = str(boot_id(0, self.name, self._own_boots))
        self.files.write(BOOT_ID.argv[1], f"{own}\n".encode())
        self.said += f"(XEN) Xen version 4.17.7\n{self.name} login: \n".encode()

    def recover(self) -> None:
        """Whatever was wrong with it is not any more, and what hung is gone."""
        self.faults.clear()
        self.files.remove(DRAIN_FILE)
        self._start()
        self.backends.clear()
        self.held.clear()
        for domain in [one for one in self.domains.values() if one.state is State.DYING]:
            self.remove_domain(domain)


def _userdata(domain: SimDomain) -> str:
    """What libxl writes down of it, on a disk: it stays there when the host loses power."""
    return f"/var/lib/xen/userdata-d.{domain.domid}.{domain.uuid}.libxl-json"
