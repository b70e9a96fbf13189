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

# Fewer drivers than the ordinary kernel, but all of Xen's front ends: its initramfs is a third
# of the size, and it boots as PV, PVH and HVM.
CLOUD = Kernel(flavour="cloud", package="linux-image-cloud-amd64", arch="amd64")
GENERIC = Kernel(flavour="generic", package="linux-image-amd64", arch="amd64")
# Linux 5.9 took 32-bit PV guests out of the kernel (commit a13f2ef168cb): 64-bit ones serve an
# i386 user land instead.
I686 = Kernel(flavour="686-pae", package="linux-image-686-pae", arch="i386", pv=False)


def _debian(name: str, version: str, *, i386_kernels: bool) -> Dist:
    amd64 = (CLOUD, GENERIC)
    return Dist(
        name=name,
        family="debian",
        title=f"Debian {version} ({name})" if version else f"Debian {name}",
        # From trixie on Debian has an i386 user land, but no kernel for it.
        kernels=(("amd64", amd64), ("i386", (*amd64, I686) if i386_kernels else amd64)),
        packages=_PACKAGES,
        # systemd.net-naming-scheme(7): from v250 on, Xen's interfaces have names of their own.
        interface="eth0" if name == "bullseye" else "enX0",
        entropy="the kernel's own jitter (Linux 5.4 and later)",
    )


SQUEEZE = Dist(
    name="squeeze",
    family="debian",
    title="Debian 6 (squeeze)",
    kernels=(
        (
            "amd64",
            (Kernel(flavour="xen", package="linux-image-2.6-amd64", arch="amd64", pvh=False),),
        ),
        (
            "i386",
            (Kernel(flavour="xen", package="linux-image-2.6-686-bigmem", arch="i386", pvh=False),),
        ),
    ),
    packages=("udev", "openssh-server", "initramfs-tools", "iproute", "dhcp3-client"),
    interface="eth0",
    init=Init.SYSV,
    archived="it left the mirrors in 2016; its keys have expired",
    entropy="only the disk's and the network's interrupts: the first SSH connection may wait",
)

DISTS = (
    _debian("bullseye", "11", i386_kernels=True),
    _debian("bookworm", "12", i386_kernels=True),
    _debian("trixie", "13", i386_kernels=False),
    _debian("forky", "14", i386_kernels=False),
    _debian("sid", "", i386_kernels=False),
    SQUEEZE,
)
