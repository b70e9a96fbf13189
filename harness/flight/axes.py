"""The axes of the matrix and the words each accepts.

A word is listed once the harness can really build and boot it, not before.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TypeVar

from harness.flight.hints import did_you_mean

E = TypeVar("E", bound=StrEnum)


class Dist(StrEnum):
    """The guest's distribution, by Debian's code name."""

    SQUEEZE = "squeeze"
    BULLSEYE = "bullseye"
    BOOKWORM = "bookworm"
    TRIXIE = "trixie"
    FORKY = "forky"
    SID = "sid"
    OTHER = "other"
    """Whatever is in an imported image: nothing is known of it."""


class Arch(StrEnum):
    """The guest's architecture, by Debian's name."""

    AMD64 = "amd64"
    I386 = "i386"
    ARM64 = "arm64"


class Virt(StrEnum):
    """How Xen runs the guest: the ``type=`` of xl.cfg(5)."""

    PV = "pv"
    PVH = "pvh"
    HVM = "hvm"


class Boot(StrEnum):
    """What loads the guest's kernel."""

    DIRECT = "direct"
    """The toolstack does, from files in dom0."""
    PYGRUB = "pygrub"
    """pygrub(1) in dom0 reads the guest's own boot menu, and the kernel out of its disk."""
    PVGRUB = "pvgrub"
    """GRUB built for Xen runs in the guest's domain and reads the guest's own menu."""
    BIOS = "bios"
    """SeaBIOS, and the GRUB in the guest's master boot record."""
    UEFI = "uefi"
    """OVMF, and the GRUB in the guest's EFI system partition."""


class Builder(StrEnum):
    """Who makes the guest's disk."""

    MMDEBSTRAP = "mmdebstrap"
    """On the controller, once for all jobs that need the same."""
    XEN_CREATE_IMAGE = "xen-create-image"
    """xen-tools in dom0, for each job: it is then under test, too."""
    DEBIAN_INSTALLER = "debian-installer"
    """Debian's own installer in a PV domain, unattended, for each job."""
    IMPORT = "import"
    """Somebody else did; the flight says where the image is."""

    @property
    def on_host(self) -> bool:
        """Whether it works on the host, for each job anew, and chooses the kernel itself."""
        return self in (Builder.XEN_CREATE_IMAGE, Builder.DEBIAN_INSTALLER)


class Layout(StrEnum):
    """What is on the guest's disk."""

    AUTO = "auto"
    """``bare`` where the toolstack brings the kernel, ``disk`` where the guest does."""
    BARE = "bare"
    """One file system and nothing else; the guest sees it as its first partition."""
    DISK = "disk"
    """A partition table with the boot loaders for every boot method, and the file system."""


class DiskFormat(StrEnum):
    """How the disk is kept on the host."""

    RAW = "raw"
    """A logical volume."""
    QCOW2 = "qcow2"
    """A qcow2 image in a logical volume, served by QEMU in dom0."""


class Toolstack(StrEnum):
    """What makes and ends domains on the host."""

    XL = "xl"
    LIBVIRT = "libvirt"
    """libvirt's Xen driver, through virsh(1)."""


class Devices(StrEnum):
    """Which disk, network interface and clock an HVM guest sees."""

    PV = "pv"
    """Xen's own, by drivers that know Xen; for PV and PVH guests there are no others."""
    EMULATED = "emulated"
    """Those of a PC, made by QEMU: the guest is not let see that there is a Xen."""


class Peer(StrEnum):
    """Which second host a job needs beside the one that it begins on."""

    ANY = "any"
    SAME = "same"
    """One with the same version of Xen."""
    NEWER = "newer"
    """One with a newer version, as osstest's ``migrupgrade`` has it."""


class Pocket(StrEnum):
    """A part of a Debian mirror that a flight may leave out."""

    UPDATES = "updates"
    SECURITY = "security"


class Accept(StrEnum):
    """What a flight may take from a mirror although it is not as it should be."""

    EXPIRED = "expired"
    """A Release file past its Valid-Until, as frozen mirrors have."""


class Keep(StrEnum):
    """When a run leaves its guests and volumes behind for someone to look at."""

    NEVER = "never"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


REQUIRED_AXES: tuple[str, ...] = ("dist", "arch", "virt", "boot")
"""The axes that every matrix has; they are in every job's name."""
FREE_AXES: tuple[str, ...] = (
    *("builder", "kernel", "layout", "memory", "vcpus", "disk", "disk_format", "toolstack"),
    *("swap", "devices"),
)
"""The axes that a matrix may have, in the order of their parts in a job's name."""
AXES: tuple[str, ...] = REQUIRED_AXES + FREE_AXES


def choose(axis: type[E], value: object) -> E:
    """The member of *axis* written as *value*; `ValueError` lists what is accepted."""
    words = [member.value for member in axis]
    if not isinstance(value, str) or value not in words:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", axis.__name__).lower()
        msg = f"unknown {name} {value!r}{did_you_mean(str(value), words)}"
        raise ValueError(msg)
    return axis(value)
