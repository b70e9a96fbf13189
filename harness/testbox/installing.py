"""dom0 installed on a disk that boots by itself: MBR, GRUB, a /boot, and / on a logical volume.

As an installer does it: a dom0 that runs already copies itself to an empty disk, and its own
grub-install and update-grub do the rest. ``/`` is on an LV because dom0s often are, and because it
is what a boot can fail on; ``/boot`` is not, since GRUB can't write its environment there (and
`grub-reboot` needs that).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.cache import content_key
from harness.flight.model import BoxBoot
from harness.progress import Progress, silent
from harness.remote.command import Command
from harness.testbox.launch import Launch
from harness.testbox.limits import BOOT_TIMEOUT, INSTALL_TIMEOUT
from harness.testbox.qemu import KERNEL_ARGS, XEN_ARGS
from harness.testbox.record import InstanceRecord
from harness.testbox.warm import overlay
from harness.wait import Deadline

DISK_SIZE = "8G"
ROOT_VG, ROOT_LV = "vg00", "lv01"

INSTALL = f"""
disk=/dev/vdb
sfdisk --quiet $disk <<EOF
label: dos
start=2048, size=512MiB, type=83, bootable
type=8e
EOF
udevadm settle
pvcreate -qq --yes ${{disk}}2
vgcreate -qq {ROOT_VG} ${{disk}}2
lvcreate -qq --yes -l 90%FREE -n {ROOT_LV} {ROOT_VG}
mkfs.ext4 -q -L boot ${{disk}}1
mkfs.ext4 -q -L dom0 /dev/{ROOT_VG}/{ROOT_LV}
mkdir /mnt/disk
mount /dev/{ROOT_VG}/{ROOT_LV} /mnt/disk
mkdir /mnt/disk/boot
mount ${{disk}}1 /mnt/disk/boot
cp -ax /. /mnt/disk/
cd /mnt/disk
rmdir mnt/disk
# What belongs to the boot of the installer and not to the system.
rm -rf var/log/journal/* var/lib/xenflight
# One that is only ever resumed needs no such service; without it dmeventd, which watches thin
# pools, does not end for 90 s when this one goes down.
rm -f etc/systemd/system/lvm2-monitor.service
printf '%s\\n' '/dev/mapper/{ROOT_VG}-{ROOT_LV} / ext4 noatime 0 1' \\
    "UUID=$(blkid -o value -s UUID ${{disk}}1) /boot ext4 noatime 0 2" >etc/fstab
cat >etc/default/grub <<'EOF'
# Linux's own entry comes first.
GRUB_DEFAULT="Debian GNU/Linux, with Xen hypervisor"
GRUB_TIMEOUT=2
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX="{KERNEL_ARGS}"
GRUB_CMDLINE_XEN="{XEN_ARGS}"
GRUB_TERMINAL=serial
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
GRUB_DISABLE_OS_PROBER=true
EOF
for one in dev proc sys; do mount --bind /$one $one; done
chroot . grub-install --target=i386-pc $disk 2>&1
chroot . update-grub 2>&1
cd /
umount -R /mnt/disk
vgchange -qq -an {ROOT_VG}
sync
"""
"""Its text is part of the disk's name, and of the key of warm states."""
RECIPE = content_key(INSTALL, DISK_SIZE)


def ensure_installed(launch: Launch, progress: Progress = silent) -> Path:
    """The disk with the dom0 of *launch* on it; made in its place, by its QEMU, if there is none.

    To be called with the lock of the testbox and that of first boots. `LabError` when it can't be
    made.
    """
    disk = launch.image.disk(RECIPE)
    if disk.exists():
        return disk
    files, runner = launch.paths.files, launch.runner
    overlay(runner, launch.image.root, files.root, backing_format="raw")
    files.volumes.unlink(missing_ok=True)
    create = ("qemu-img", "create", "-q", "-f", "qcow2", files.volumes, DISK_SIZE)
    runner.run(Command.of(*create))
    installer = replace(launch, hardware=replace(launch.hardware, boot=BoxBoot.DIRECT))
    record = installer.start("installing")
    try:
        _install(installer, record, progress)
    finally:
        record.end()
        launch.paths.record.unlink(missing_ok=True)
    # From here on nothing writes to it: testboxes have overlays.
    files.volumes.replace(disk)
    return disk


def _install(launch: Launch, record: InstanceRecord, progress: Progress) -> None:
    dom0 = launch.wait_for_ssh(record, Deadline.after(BOOT_TIMEOUT), progress)
    try:
        progress("installing dom0 on a disk that boots by itself", 0.85)
        dom0.run(Command.script("install-dom0", INSTALL), timeout=INSTALL_TIMEOUT)
    finally:
        dom0.close()
