"""What a flight is once its file has been read: plain values, nothing left to check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from harness.dists.kernels import DEFAULT_KERNEL
from harness.flight.axes import (
    Arch,
    Boot,
    Builder,
    Devices,
    DiskFormat,
    Dist,
    Layout,
    Peer,
    Pocket,
    Toolstack,
    Virt,
)
from harness.flight.faults import Fault
from harness.flight.hostcare import USUAL_CANARY, CanarySpec, PowerSpec
from harness.units import Size

DEFAULT_TIMEOUTS: Mapping[str, timedelta] = {
    "build": timedelta(minutes=30),
    "create": timedelta(seconds=30),
    "bootloader": timedelta(seconds=30),
    "kernel": timedelta(seconds=30),
    "initramfs": timedelta(seconds=30),
    "init": timedelta(seconds=60),
    "login": timedelta(seconds=30),
    "network": timedelta(seconds=30),
    "ssh": timedelta(seconds=30),
    "shutdown": timedelta(seconds=60),
}
"""How long each phase of a guest may take on hardware. Generous: they end hopeless waits and
are no measure of speed. A host's ``timeout_factor`` stretches all of them."""

EXTRA_DEVICES = tuple(f"xvd{letter}" for letter in "cdefghijklmnop")
"""What the guest calls its extra disks, after its root (xvda) and swap (xvdb). Without extended
numbers a block front end has 16 disks (xl-disk-configuration(5), xen-vbd-interface(7))."""

SLOT_TIMEOUT = timedelta(hours=1)
"""How long a job waits for a slot of its host unless hosts.yaml says otherwise."""

OVERCOMMIT = 4.0
"""How many vCPUs there may be for each CPU of a host, and one in how many bytes of their disks
guests are expected to write, unless hosts.yaml says otherwise."""
DOM0_MEMORY = Size.parse("1G")
"""What a dom0 that gives memory to guests keeps for itself, unless hosts.yaml says otherwise. A
testbox's dom0 has as much."""
SIM_MEMORY = Size.parse("16G")
SIM_DISK = Size.parse("100G")

PHASES: tuple[str, ...] = tuple(DEFAULT_TIMEOUTS)
"""The phases of a guest's life, in their order."""


HOST_SUITES = frozenset({"host-boot", "upgrade"})
"""Suites whose jobs are about a host and not about a guest on it: such a job has the host to
itself. Its dist, arch, virt and boot are what dom0 is: Debian's suite, PV, and the firmware."""


@dataclass(frozen=True, kw_only=True)
class MirrorSpec:
    """Where guests are built from. *url* None: the machine's own apt sources."""

    url: str | None = None
    accept_expired: bool = False
    """Build from a Release file past its Valid-Until (a frozen mirror)."""
    omit: tuple[Pocket, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """An image that somebody else made (``builder: import``)."""

    location: str
    """An absolute path on the controller, or an http or https URL."""
    sha256: str
    """Of the file as it is, packed or not: 64 hexadecimal digits. Empty for a path: a local
    file may be what its owner has just built."""
    overlay: bool = True
    """Whether the job's own files (key, password, names) are written into its root file system.
    Without, the image must let the harness in by itself, and only the console is used."""


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """One cell of the matrix, bound to a suite."""

    name: str
    """``<suite>-<dist>-<arch>-<virt>-<boot>[-<more>...][-<variant>]``: stable, the key of
    history. *more* are values of other axes, where they differ from the flight's usual ones."""
    suite: str
    dist: Dist
    arch: Arch
    virt: Virt
    boot: Boot
    variant: str | None
    memory: Size
    vcpus: int
    disk: Size
    kernel_args: str
    """Added at the end of the guest's kernel line, so that it overrides what stands before."""
    packages: tuple[str, ...]
    timeouts: Mapping[str, timedelta] = field(hash=False)
    """Every one of `PHASES`, not yet stretched by the host's factor."""
    builder: Builder = Builder.MMDEBSTRAP
    kernel: str = DEFAULT_KERNEL
    """`DEFAULT_KERNEL`, a flavour (``cloud``, ``generic``), a version with its flavour
    (``6.1.0-50-cloud-amd64``), or `DOM0_KERNEL`."""
    layout: Layout = Layout.BARE
    """Never ``auto``: that is decided when the flight is read."""
    disk_format: DiskFormat = DiskFormat.RAW
    toolstack: Toolstack = Toolstack.XL
    swap: Size | None = None
    """Size of a scratch LV with swap space; the guest uses it from its boot on."""
    devices: Devices = Devices.PV
    extra_disks: tuple[Size, ...] = ()
    """Empty scratch LVs, seen by the guest after its own disks."""
    neighbour: Size | None = None
    """The memory of a second guest of the same image, which the suite may have beside the first."""
    peer: Peer | None = None
    """The second host that it needs; then it has a slot there, too."""
    passthrough: bool = False
    """Whether it has one of the host's own PCI network cards in place of a virtual interface."""
    image: ImageSource | None = None
    """Given if and only if *builder* is ``import``."""
    builder_options: tuple[tuple[str, str | None], ...] = ()
    """More options of xen-create-image, without their dashes; None for one without a value."""
    mirror: MirrorSpec = MirrorSpec()
    skip: str = ""
    """Why this cell cannot run anywhere, by the rules of `harness.flight.rules` or by an
    ``exclude`` of the flight; empty when it can."""

    @property
    def whole_host(self) -> bool:
        """Whether it is about a host, which it then has to itself; it has no guest."""
        return self.suite in HOST_SUITES


@dataclass(frozen=True, kw_only=True)
class Flight:
    """One flight file, expanded. *hosts* is empty when the file leaves the host open."""

    name: str
    description: str
    mirror: MirrorSpec
    hosts: tuple[str, ...]
    jobs: tuple[JobSpec, ...]
    source: str


class BoxBoot(StrEnum):
    """What loads a testbox's Xen."""

    DIRECT = "direct"
    """QEMU does, from files on the controller. A reboot ends such a machine."""
    DISK = "disk"
    """The GRUB on its own disk, as on a real machine; it can be rebooted."""


class BoxIommu(StrEnum):
    """The IOMMU that a testbox's processor emulates."""

    NONE = "none"
    INTEL = "intel"
    """VT-d, with interrupt remapping."""
    AMD = "amd"
    """AMD-Vi."""


MAX_SPARE_NICS = 4
FIRST_SPARE = 0x10
"""The slot of a testbox's first spare card on its only PCI bus. Every second one is a spare's, and
the next one that of the card at the other end of its wire."""


@dataclass(frozen=True, kw_only=True)
class TestboxSpec:
    """A Xen host that the harness makes itself, in QEMU. *disk* is the scratch VG's size."""

    __test__ = False  # the name starts like a test class; pytest must not collect it

    release: str
    memory: Size
    vcpus: int
    disk: Size
    boot: BoxBoot = BoxBoot.DIRECT
    iommu: BoxIommu = BoxIommu.NONE
    spare_nics: int = 0
    """Emulated network cards that dom0 does not need: guests may have them."""

    @property
    def spare_devices(self) -> tuple[str, ...]:
        """The PCI addresses of the spare cards."""
        return tuple(f"0000:00:{FIRST_SPARE + 2 * n:02x}.0" for n in range(self.spare_nics))


@dataclass(frozen=True, kw_only=True)
class SshSpec:
    """A Xen host reached by SSH."""

    address: str
    port: int
    user: str
    key_file: str
    """As written: a leading ``~`` is the user's home; expand it where the file is opened."""
    host_key: str
    """The host's public key, ``ssh-ed25519 AAAA...``: no other host is trusted."""
    vg: str
    thin_pool: str
    bridge: str


@dataclass(frozen=True, kw_only=True)
class SimSpec:
    """A host that is only simulated, for xenflight's own tests: its verdicts count for nothing."""

    memory: Size = SIM_MEMORY
    cpus: int = 4
    disk: Size = SIM_DISK
    """Of its thin pool."""
    iommu: bool = False
    """Whether its Xen says that it uses one."""
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HostSpec:
    """One host of the inventory: a *testbox*, or reached by *ssh*, or a *sim*; one of the three."""

    name: str
    slots: int
    """How many jobs it may run at once, those of other controllers among them."""
    timeout_factor: float
    """How much slower than hardware its guests are; stretches every timeout of a guest."""
    slot_timeout: timedelta = SLOT_TIMEOUT
    """How long a job waits for room on the host: a slot, and what its guest takes. Nothing
    stretches it."""
    vcpu_overcommit: float = OVERCOMMIT
    """How many vCPUs of guests there may be for each CPU."""
    disk_overcommit: float = OVERCOMMIT
    """A guest is expected to write a part in so many of what its disks hold."""
    dom0_memory: Size = DOM0_MEMORY
    """What dom0 keeps where xl takes memory from it for guests."""
    testbox: TestboxSpec | None = None
    ssh: SshSpec | None = None
    sim: SimSpec | None = None
    power: PowerSpec | None = None
    """How it is power-cycled, as far as hosts.yaml says so."""
    canary: CanarySpec = USUAL_CANARY
    may_reboot: bool = False
    """Whether jobs that have it to themselves may reboot it, and boot it in other ways."""
    serial: tuple[str, ...] = ()
    """A command line on the controller that says what the host says on its serial line, in words.
    A testbox needs none."""
    passthrough: tuple[str, ...] = ()
    """The addresses of the PCI devices that jobs may give to guests, such as ``0000:03:00.0``, and
    no other is touched. A testbox gives its spare cards."""

    @property
    def kind(self) -> str:
        """``testbox``, ``ssh`` or ``sim``."""
        return "testbox" if self.testbox else "sim" if self.sim else "ssh"

    @property
    def devices(self) -> tuple[str, ...]:
        """The PCI devices that guests may have."""
        return self.testbox.spare_devices if self.testbox else self.passthrough

    @property
    def power_terms(self) -> PowerSpec | None:
        """How it is power-cycled; None when it can't be. A testbox always can."""
        return self.power or (PowerSpec() if self.testbox or self.sim else None)
