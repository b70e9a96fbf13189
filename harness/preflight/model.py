"""What was read in an image. Plain values: nothing here looks at anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, kw_only=True)
class FileSystem:
    """What is in a partition, by its signature. *problem*: why its files cannot be read."""

    type: str
    uuid: str = ""
    label: str = ""
    problem: str = ""
    features: tuple[str, ...] = ()
    """Those that ext has switched on, as debugfs calls them."""


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A partition; number 0 is a file system that fills the image. Sizes in bytes."""

    number: int
    start: int
    size: int
    kind: str = ""
    """Its type: a GUID in capitals (GPT), or hexadecimal digits (MBR)."""
    uuid: str = ""
    """As ``PARTUUID=`` names it."""
    fs: FileSystem | None = None

    def __str__(self) -> str:
        return f"partition {self.number}" if self.number else "the file system"


class BootCode(StrEnum):
    """What is in the first 440 bytes, which a BIOS runs."""

    NONE = "none"
    GRUB = "GRUB"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Disk:
    """The partition table and what stands before the first partition."""

    table: str
    """``gpt``, ``dos``, or empty without one."""
    partitions: tuple[Partition, ...]
    damage: str = ""
    """What is wrong with the table."""
    boot_code: BootCode = BootCode.NONE
    core: bool | None = None
    """Whether GRUB's core is where its boot code looks; None without GRUB."""


@dataclass(frozen=True, kw_only=True)
class EfiLoader:
    """A program in the EFI system partition."""

    path: str
    machine: str
    """``x86_64``, ``i386``, ``aarch64``, or empty when it is no EFI program."""
    kind: str
    """``GRUB``, ``shim``, ``systemd-boot``, ``unified kernel`` or ``other``."""
    finds: str = ""
    """How GRUB finds its menu, where that stands in it: ``fs-uuid X``, ``label X``."""


@dataclass(frozen=True, kw_only=True)
class Esp:
    """The EFI system partition."""

    partition: int
    loaders: tuple[EfiLoader, ...] = ()
    problem: str = ""


class Driver(StrEnum):
    """Where a kernel has a driver."""

    BUILTIN = "built in"
    MODULE = "a module"
    NONE = "left out"


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A kernel file. None stands for what could not be found out."""

    partition: int
    path: str
    size: int
    sha256: str
    problem: str = ""
    """Why it is no kernel, or not a whole one."""
    version: str = ""
    compression: str = ""
    """Of its payload: ``gzip``, ``bzip2``, ``lzma``, ``xz``, ``lzo``, ``lz4``, ``zstd``, or
    ``none``."""
    bits: int | None = None
    pv: bool | None = None
    pvh: bool | None = None
    pvhvm: bool | None = None
    drivers: Mapping[str, Driver] = field(default_factory=dict, hash=False)
    """Where the kernel has drivers by module name; those not named could not be found out."""
    source: str = ""
    """Where its abilities were read."""

    @property
    def release(self) -> str:
        """As ``uname -r`` says it."""
        return self.version.split(" ")[0]


@dataclass(frozen=True, kw_only=True)
class Initrd:
    """An initramfs. *problem*: what is wrong with it; *members* is then what came before."""

    partition: int
    path: str
    size: int
    sha256: str
    compression: str = ""
    members: int = 0
    module_count: int = 0
    modules: frozenset[str] = frozenset()
    """Those of `harness.preflight.kernel.INTERESTING` that are in it."""
    builtin: frozenset[str] = frozenset()
    """Drivers that its list says are in the kernel itself."""
    problem: str = ""
    readable: bool = True
    """False when no tool here unpacks it; then nothing is known of it."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What one loader would boot by itself: the default of its menu."""

    menu: str
    """Where the menu is, such as ``/boot/grub/grub.cfg``; empty without one."""
    partition: int = 0
    title: str = ""
    kernel: Kernel | None = None
    initrd: Initrd | None = None
    args: str = ""
    broken: str = ""
    """Why it will not find its kernel."""
    doubt: str = ""
    """Why that is not known."""


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A line of /etc/fstab that is mounted at boot, with a device that should be there."""

    device: str
    point: str
    type: str
    optional: bool
    """``nofail`` or ``noauto``: the boot does not wait for it."""


@dataclass(frozen=True, kw_only=True)
class Userland:
    """What the root file system says of the system in it. Empty or None: not found out."""

    partition: int
    offset: int
    os: str = ""
    arch: str = ""
    init: str = ""
    """``systemd``, ``sysvinit``, ``other``, or empty when there is none."""
    gettys: frozenset[str] = frozenset()
    """Terminals that get a login prompt whatever the kernel line says."""
    automatic: bool = False
    """systemd gives one to hvc0, if that is there, and to the kernel's consoles."""
    no_login: str = ""
    """Why nobody could log in."""
    sshd: bool = False
    root_ssh: bool = False
    network: str = ""
    machine_id: str = ""
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ImageReport:
    """All that was read in one image. Sizes in bytes."""

    path: str
    format: str
    """``raw``, ``qcow2``, ``vmdk``, as qemu-img says."""
    packed: str
    """``gz``, ``xz``, ``zst``, ``bz2``, or empty."""
    size: int
    """Of the disk that a guest sees."""
    disk: Disk
    esp: Esp | None
    direct: Choice
    """What the toolstack would be given: GRUB's choice, or the newest kernel in /boot."""
    pygrub: Choice
    pvgrub: Choice
    bios: Choice
    uefi: Choice
    root: Userland | None
    root_problem: str = ""
    """Why no root file system was found or read."""

    def partition(self, number: int) -> Partition | None:
        """The partition of that number."""
        found = (part for part in self.disk.partitions if part.number == number)
        return next(found, None)
