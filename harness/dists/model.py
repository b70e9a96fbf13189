"""The shape of what is known of a distribution's release, and of its kernels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

_GRUB_UNPACKS = ("gzip", "xz", "lzo")


class Init(StrEnum):
    """Who starts the getty on the console."""

    SYSTEMD = "systemd"
    """Its generator puts one on every active console (systemd-getty-generator(8))."""
    SYSV = "sysvinit"
    """/etc/inittab names the consoles."""


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A kernel flavour of one release and architecture.

    *pv*, *pvh*, *hvm*: what its configuration lets it boot as (CONFIG_XEN_PV, CONFIG_PVH, and
    CONFIG_XEN_PVHVM for a guest with Xen's own block and network drivers).
    """

    flavour: str
    """As in a flight: ``cloud``, ``generic``, ``686-pae``."""
    package: str
    """The package that always depends on the newest one, such as ``linux-image-cloud-amd64``."""
    arch: str
    """The package's own: an i386 user land may run on an amd64 kernel."""
    pv: bool = True
    pvh: bool = True
    hvm: bool = True
    emulated: bool = True
    """Whether it has drivers for the disk and the network interface that QEMU emulates for Xen
    (CONFIG_SATA_AHCI, CONFIG_8139CP)."""
    packed: str = ""
    """How its bzImage is packed (CONFIG_KERNEL_GZIP and so on): ``gzip``, ``xz``, ``lz4``."""

    @property
    def pvgrub_pv(self) -> bool:
        """Whether GRUB for PV guests can unpack it.

        It does so itself, and says "not xen image" when it cannot (grub-core/loader/i386/
        xen_file.c and its filters gzio, xzio and lzopio). All others leave it to Linux or to
        libxenguest, which know every packer.
        """
        return self.pv and self.packed in _GRUB_UNPACKS

    def versioned(self, version: str) -> str:
        """The package of one version: ``6.1.0-50`` -> ``linux-image-6.1.0-50-cloud-amd64``."""
        return f"linux-image-{version}-{self.package.removeprefix('linux-image-')}"


@dataclass(frozen=True, kw_only=True)
class Dist:
    """One release of a distribution."""

    name: str
    """As in a flight file, and as the mirror calls the suite."""
    family: str
    title: str
    """For people: ``Debian 12 (bookworm)``."""
    kernels: tuple[tuple[str, tuple[Kernel, ...]], ...]
    """By architecture of the user land; the first kernel is the default."""
    packages: tuple[str, ...]
    """What a guest needs to be tested: init, network, SSH server, tools to make an initramfs."""
    interface: str
    """The name that udev gives to the first Xen network interface."""
    console: str = "hvc0"
    """Xen's own console, which PV, PVH and HVM guests have."""
    init: Init = Init.SYSTEMD
    user: str = "root"
    archived: str = ""
    """Why the ordinary mirrors carry it no longer: a flight must then name one that does."""
    entropy: str = ""
    """How a guest without hardware gets random numbers for its first SSH connection."""

    @property
    def arches(self) -> tuple[str, ...]:
        """The architectures it can be built for."""
        return tuple(arch for arch, _ in self.kernels)

    def kernels_for(self, arch: str) -> tuple[Kernel, ...]:
        """The kernels of a user land of *arch*, the default first; none if it has none."""
        return dict(self.kernels).get(arch, ())
