"""Debian as a guest.

The kernels' abilities were read in the packages' own /boot/config files; docs/adding-a-dist.md
says how.
"""

from __future__ import annotations

from harness.dists.model import Dist, Init, Kernel

_PACKAGES = (
    *("systemd-sysv", "udev", "dbus", "kmod", "e2fsprogs"),
    *("iproute2", "iputils-ping", "openssh-server"),
    # For the initramfs, which is made when the kernel is installed.
    *("initramfs-tools", "zstd"),
)


def _amd64(cloud: str, generic: str) -> tuple[Kernel, ...]:
    """The 64-bit kernels, by how each is packed.

    The cloud kernel has fewer drivers, but all of Xen's front ends: its initramfs is a third of
    the size, and it boots as PV, PVH and HVM.
    """
    return (
        Kernel(
            flavour="cloud",
            package="linux-image-cloud-amd64",
            arch="amd64",
            emulated=False,
            packed=cloud,
        ),
        Kernel(flavour="generic", package="linux-image-amd64", arch="amd64", packed=generic),
    )


OLDER, NEWER = _amd64("lz4", "xz"), _amd64("zstd", "zstd")
# Linux 5.9 took 32-bit PV guests out of the kernel (commit a13f2ef168cb): 64-bit ones serve an
# i386 user land instead.
I686 = Kernel(flavour="686-pae", package="linux-image-686-pae", arch="i386", pv=False, packed="xz")


def _debian(name: str, version: str, *, kernels: tuple[Kernel, ...]) -> Dist:
    return Dist(
        name=name,
        family="debian",
        title=f"Debian {version} ({name})" if version else f"Debian {name}",
        # From trixie on Debian has an i386 user land, but no kernel for it.
        kernels=(("amd64", kernels), ("i386", (*kernels, I686) if kernels is OLDER else kernels)),
        packages=_PACKAGES,
        # systemd.net-naming-scheme(7): from v250 on, Xen's interfaces have names of their own.
        interface="eth0" if name == "bullseye" else "enX0",
        entropy="the kernel's own jitter (Linux 5.4 and later)",
    )


def _squeeze(arch: str, flavour: str) -> Kernel:
    """Linux 2.6.32: PV only."""
    package = f"linux-image-2.6-{flavour}"
    return Kernel(flavour="xen", package=package, arch=arch, pvh=False, packed="gzip")


SQUEEZE = Dist(
    name="squeeze",
    family="debian",
    title="Debian 6 (squeeze)",
    kernels=(("amd64", (_squeeze("amd64", "amd64"),)), ("i386", (_squeeze("i386", "686-bigmem"),))),
    packages=("udev", "openssh-server", "initramfs-tools", "iproute", "dhcp3-client"),
    interface="eth0",
    init=Init.SYSV,
    archived="it left the mirrors in 2016; its keys have expired",
    entropy="only the disk's and the network's interrupts: the first SSH connection may wait",
)

DISTS = (
    _debian("bullseye", "11", kernels=OLDER),
    _debian("bookworm", "12", kernels=OLDER),
    _debian("trixie", "13", kernels=NEWER),
    _debian("forky", "14", kernels=NEWER),
    _debian("sid", "", kernels=NEWER),
    SQUEEZE,
)
