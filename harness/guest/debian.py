"""Debian as a guest."""

from __future__ import annotations

from harness.guest.dists import Dist, register

_PACKAGES = (
    *("systemd-sysv", "udev", "dbus", "kmod", "e2fsprogs"),
    *("iproute2", "iputils-ping", "openssh-server"),
    # For the initramfs, which is made when the kernel is installed.
    *("initramfs-tools", "zstd"),
)


def _debian(name: str, version: str) -> Dist:
    return Dist(
        name=name,
        family="debian",
        title=f"Debian {version} ({name})" if version else f"Debian {name}",
        # Fewer drivers than the ordinary kernel, but all of Xen's front ends: its initramfs
        # is a third of the size, and it boots as PV, PVH and HVM.
        kernel_package="linux-image-cloud-amd64",
        packages=_PACKAGES,
        # systemd.net-naming-scheme(7): from v250 on, Xen's interfaces have names of their own.
        interface="eth0" if name == "bullseye" else "enX0",
    )


register(
    _debian("bullseye", "11"),
    _debian("bookworm", "12"),
    _debian("trixie", "13"),
    _debian("forky", "14"),
    _debian("sid", ""),
)
