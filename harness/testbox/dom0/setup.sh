#!/bin/sh
# Runs inside the new dom0 file system, after its packages are installed.
set -eu
rm -f /etc/ssh/ssh_host_rsa_key* /etc/ssh/ssh_host_ecdsa_key*
chmod 0600 /etc/ssh/ssh_host_ed25519_key
chmod 0700 /root/.ssh
passwd --lock root >/dev/null
# A fixed id keeps systemd from treating the first boot as an installation.
systemd-id128 new > /etc/machine-id
systemctl --quiet enable systemd-networkd.service ssh.service guest-net.service \
    libvirtd.socket
# What a test host has no use for, and emulated seconds would be spent on. Not every release
# has all of these; masking what is not there does no harm.
systemctl --quiet mask xendomains.service apt-daily.timer apt-daily-upgrade.timer \
    dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
    systemd-tmpfiles-clean.timer systemd-random-seed.service systemd-pstore.service \
    systemd-networkd-wait-online.service systemd-networkd-persistent-storage.service \
    systemd-network-generator.service getty@tty1.service systemd-logind.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service lvm2-monitor.service \
    blk-availability.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount \
    modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service \
    sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount \
    sys-kernel-debug.mount sys-kernel-tracing.mount
# Of libvirt only the driver for Xen is wanted; that for QEMU would want users that Debian's services
# bring. Xen hides SYSENTER on AMD's processors, QEMU without KVM has no VME, and then libvirt knows
# no such processor and its driver does not start: the least one that it knows does without.
rm -f /usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so
cpu=/usr/share/libvirt/cpu_map/x86_qemu64.xml
[ ! -e "$cpu" ] || sed -i "/<feature name='sep'\/>/d" "$cpu"
# The linker's cache, the journal's catalogue and the like are as new as the packages.
touch /etc/.updated /var/.updated
dpkg-query -W -f '${Package} ${Version}\n' > /etc/xenflight/packages
