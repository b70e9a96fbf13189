"""What differs between the Debian releases that a dom0 can be made of."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from harness.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Dom0Release:
    """One Debian release as dom0. The hypervisor's package name carries Xen's version."""

    name: str
    xen: str
    """Xen's version as in the package names, such as ``4.17``."""
    extra_packages: tuple[str, ...] = ()
    """What only this release has: xen-tools is in Debian 12 and not in Debian 13, whose dom0
    then lacks the flag xen-tools and skips ``builder: xen-create-image``. libvirt comes without
    Debian's services: ours start it when somebody first wants it, and it ends by itself."""

    @property
    def packages(self) -> tuple[str, ...]:
        """All that is installed besides Debian's minimal base.

        ``linux-image-amd64`` and not the cloud kernel: that one has no CONFIG_XEN_DOM0.
        """
        return (
            "linux-image-amd64",
            f"xen-hypervisor-{self.xen}-amd64",
            f"xen-utils-{self.xen}",
            *COMMON_PACKAGES,
            *self.extra_packages,
        )


COMMON_PACKAGES = (
    "bridge-utils",
    "dbus",
    "debootstrap",
    "dnsmasq-base",
    "e2fsprogs",
    "fdisk",
    # Not grub-pc: that one wants to know at once where to install itself.
    "grub-pc-bin",
    "grub-xen-host",
    "grub2-common",
    "initramfs-tools",
    "iproute2",
    "iputils-ping",
    "kmod",
    "lvm2",
    "nftables",
    "openssh-server",
    "ovmf",
    "procps",
    "qemu-system-xen",
    "qemu-utils",
    "seabios",
    "systemd-sysv",
    "thin-provisioning-tools",
    "udev",
    "zstd",
)

LIBVIRT = ("libvirt-clients", "libvirt-daemon-driver-xen")

RELEASES = {
    release.name: release
    for release in (
        Dom0Release(name="bookworm", xen="4.17", extra_packages=("xen-tools", *LIBVIRT)),
        Dom0Release(name="trixie", xen="4.20"),
    )
}


def find_release(name: str) -> Dom0Release:
    """The release called *name*; `UsageError` names the ones there are."""
    try:
        return RELEASES[name]
    except KeyError:
        near = difflib.get_close_matches(name, RELEASES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(RELEASES)}"
        msg = f"no dom0 can be made of Debian {name!r}"
        raise UsageError(msg, hint=hint) from None
