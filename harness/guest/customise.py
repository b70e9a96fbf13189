"""What is changed in a Debian tree to make it a guest image: shell, run by mmdebstrap's hooks.

The texts are part of the image's content key: whoever changes one gets new images.
"""

from __future__ import annotations

from harness.guest import grub, menu
from harness.guest.fstab import fstab
from harness.guest.layout import Layout

_INITRAMFS_MODULES = (
    *("xen-blkfront", "virtio_blk", "virtio_pci", "virtio_scsi", "sd_mod", "ahci"),
    *("ext4", "crc32c_generic", "crc32c_intel"),
)

# Before the kernel is installed: its initramfs is then made once, and right. Nothing here may
# be a file of a package (dpkg would ask what to do with it).
SMALL_INITRAMFS = f"""\
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/etc/initramfs-tools/hooks"
# The name sorts last: other packages' files there can change MODULES too.
cat >"$1/etc/initramfs-tools/conf.d/zz-xenflight" <<'EOF'
MODULES=list
COMPRESS=zstd
BUSYBOX=n
KEYMAP=n
RESUME=none
EOF
cat >"$1/etc/initramfs-tools/hooks/xenflight" <<'EOF'
#!/bin/sh
if [ "${{1:-}}" = prereqs ]; then exit 0; fi
. /usr/share/initramfs-tools/hook-functions
manual_add_modules {" ".join(_INITRAMFS_MODULES)}
# Names of USB and PCI devices: 13 MB on trixie, and a guest has no such device to mount its root.
rm -f "$DESTDIR/usr/lib/udev/hwdb.bin" "$DESTDIR/lib/udev/hwdb.bin"
EOF
chmod 755 "$1/etc/initramfs-tools/hooks/xenflight"
"""

FSTAB = f"""\
cat >"$1/etc/fstab" <<'EOF'
{fstab()}EOF
"""

# Paths that Debian's own slim images leave out too; copyright files stay.
SLIM_DPKG_OPTIONS = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*/LC_MESSAGES/*.mo",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)

NETWORK = """\
mkdir -p "$1/etc/systemd/network"
cat >"$1/etc/systemd/network/80-guest.network" <<'EOF'
[Match]
Type=ether
Name=e*

[Network]
DHCP=ipv4
IPv6AcceptRA=no

[DHCPv4]
# Leases follow the job's MAC address, which is known before the guest runs.
ClientIdentifier=mac
EOF
chroot "$1" systemctl enable systemd-networkd.service
chroot "$1" systemctl disable systemd-networkd-wait-online.service
"""

SSHD = """\
mkdir -p "$1/etc/ssh/sshd_config.d"
cat >"$1/etc/ssh/sshd_config.d/xenflight.conf" <<'EOF'
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
EOF
# Each job has a host key of its own.
rm -f "$1"/etc/ssh/ssh_host_*_key "$1"/etc/ssh/ssh_host_*_key.pub
mkdir -p -m 0700 "$1/root/.ssh"
"""

# As cloud images do: a guest that lives for minutes has nothing to upgrade or to trim.
TIMERS = """\
for timer in apt-daily apt-daily-upgrade dpkg-db-backup e2scrub_all fstrim; do
    if [ -e "$1/lib/systemd/system/$timer.timer" ]; then
        chroot "$1" systemctl mask "$timer.timer"
    fi
done
if [ -e "$1/lib/systemd/system/e2scrub_reap.service" ]; then
    chroot "$1" systemctl disable e2scrub_reap.service
fi
"""

# Empty, not absent: systemd then has no "first boot" (machine-id(5)); each job's is seeded.
IDENTITY = """\
: >"$1/etc/machine-id"
rm -f "$1/var/lib/dbus/machine-id" "$1/etc/hostname" "$1/etc/resolv.conf"
printf 'localhost\\n' >"$1/etc/hostname"
printf '127.0.0.1 localhost\\n' >"$1/etc/hosts"
chroot "$1" usermod -p '*' root
"""

# The build's own sources name a proxy on the controller's loopback.
SOURCES = """\
rm -f "$1"/etc/apt/sources.list.d/*
echo '# A job may write its own sources here.' >"$1/etc/apt/sources.list"
"""

FACTS = """\
mkdir -p "$1/usr/share/xenflight"
chroot "$1" dpkg-query -W -f '${Package} ${Version} ${Architecture}\\n' \\
    >"$1/usr/share/xenflight/packages"
"""


def before_kernel(*, small_initramfs: bool) -> str:
    """The hook that runs when the essential packages are there, and the kernel is not."""
    parts = ["set -eu\n", FSTAB]
    if small_initramfs:
        parts.append(SMALL_INITRAMFS)
    return "".join(parts)


def after_packages(layout: Layout) -> str:
    """The hook that runs when all packages are there."""
    loaders = [grub.MAKE_PARTS] if layout is Layout.DISK else []
    parts = [NETWORK, SSHD, TIMERS, IDENTITY, SOURCES, menu.MAKE_MENU, *loaders, FACTS]
    return "".join(["set -eu\n", *parts])
