#!/bin/sh
# Runs inside the new dom0 file system, after its packages are installed.
set -eu
rm -f /etc/ssh/ssh_host_rsa_key* /etc/ssh/ssh_host_ecdsa_key*
chmod 0600 /etc/ssh/ssh_host_ed25519_key
chmod 0700 /root/.ssh
passwd --lock root >/dev/null
# A fixed id keeps systemd from treating the first boot as an installation.
systemd-id128 new > /etc/machine-id
systemctl --quiet enable systemd-networkd.service ssh.service guest-net.service
# What a test host has no use for, and emulated seconds would be spent on.
systemctl --quiet mask xendomains.service apt-daily.timer apt-daily-upgrade.timer \
    dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
    systemd-random-seed.service systemd-networkd-wait-online.service getty@tty1.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service lvm2-monitor.service
dpkg-query -W -f '${Package} ${Version}\n' > /etc/xenflight/packages
