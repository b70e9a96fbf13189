"""Verbs about a guest's disks: given and taken with anything behind them, grown, snapshotted.

As in `harness.job.guestchanging` each is over when dom0 and the guest have done their part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from harness.errors import LabError, NotApplicable
from harness.flight.axes import Virt
from harness.flight.model import EXTRA_DEVICES
from harness.job.backings import (
    QDISK,
    SIZE,
    VDEV,
    Backing,
    LaterDisk,
    hash_backing,
    make_disk,
    plan_disk,
    remove_disk,
    require_backing,
)
from harness.job.guestchanging import DISK_THERE, GuestChanging
from harness.job.slot import in_slot
from harness.remote.command import Command
from harness.storage.names import scratch_name, scratch_tags
from harness.units import Size
from harness.xen.config import Disk, DomainConfig

BULK_TIMEOUT = timedelta(minutes=3)
"""For all of such a disk to be written or read, on hardware."""
SNAPSHOT = "snap"
SMALLEST = Size.parse("1M")
ALWAYS_VDEV = EXTRA_DEVICES[-3]
# In MiB. blkback looks at its device's size ten times a second (xen_blkif_schedule) and tells the
# guest of it. $1 device.
_SIZE = 'echo $(($(cat "/sys/block/$1/size") / 2048))'


class GuestDisks(GuestChanging):
    """What its disks are in dom0 can be had in any form."""

    _always: tuple[Disk, ...] = ()
    """What each of its domains is made with from now on."""

    def require_disk(self, backing: Backing, size: Size = SIZE) -> None:
        """`NotApplicable`, with the reason, where it cannot be given such a disk."""
        require_backing(backing, size, self.spec, self.host, self._capabilities)

    def make_disk(
        self, backing: Backing, size: Size = SIZE, *, on: Size = SIZE, of: str = ""
    ) -> LaterDisk:
        """Make what is behind such a disk; see `harness.job.backings.make_disk`. Not attached.

        It goes with the job, or with `drop_disk`. `NotApplicable` as `require_disk`.
        """
        self.require_disk(backing, size)
        disk = plan_disk(
            backing,
            size,
            part=f"{backing}-{next(self._disk_numbers)}",
            run=self._run,
            spec=self.spec,
            domain=self.name,
            host=self.host,
        )
        if disk.volume:
            self._more_volumes.append(disk.volume)
        else:
            self._more_files.append(disk.path)
        with in_slot(self._lease), self.step.phase("make"):
            make_disk(self._fenced, disk, self._run, self.spec.name, on=on, of=of)
        return disk

    def attach_disk(self, disk: LaterDisk) -> str:
        """Give it that disk, the only one of its kind at a time; its name in the guest.

        Where QEMU is to serve it, and the domain has none, it is started anew first.
        """
        if self.lacks_qemu(disk):
            self.have_qemu()
        self._ask("attach", lambda: self._devices.attach_disk(self.name, disk.disk))
        self._await_in_guest("see-disk", DISK_THERE, VDEV, "there", "attach")
        return VDEV

    def detach_disk(self, disk: LaterDisk) -> None:
        """Take it away; over when the guest and dom0 have let go of it."""
        kind = disk.backing.kind
        self._detach(
            kind, lambda: self._devices.detach_disk(self.name, VDEV), DISK_THERE, "see-disk", VDEV
        )

    def drop_disk(self, disk: LaterDisk) -> None:
        """Remove what is behind it, from the host; the guest must not have it any more."""
        with self.step.phase("drop"):
            remove_disk(self.host, disk)

    def grow_disk(self, disk: LaterDisk, size: Size) -> LaterDisk:
        """Have the volume behind it be of *size*, in use as it is. The disk of that size.

        Over when the guest sees that, where its disk is the volume itself.
        """
        if not disk.volume:
            msg = f"{disk.path} is no volume that could be made larger"
            raise LabError(msg)
        with in_slot(self._lease), self.step.phase("grow"):
            self._fenced.volumes.extend(disk.volume, size)
        if disk.backing.written_as != "raw":
            return disk
        self._until(
            lambda: self._disk_size(VDEV),
            lambda found: found >= size.mib,
            f"{VDEV} to be of {size} in the guest",
            "growth-unseen",
        )
        return replace(disk, size=size)

    def hash_disk(self, disk: LaterDisk) -> str:
        """The SHA-256 of all of it as dom0 reads it; see `hash_backing`."""
        return hash_backing(self.host, disk, self.stretched(BULK_TIMEOUT))

    def allocated(self, disk: LaterDisk) -> float:
        """How many percent of a thin volume are allocated in its pool."""
        found = self.host.volumes.find(disk.volume)
        if found is None or found.data_percent is None:
            msg = f"LVM does not tell how much of {disk.path} is allocated"
            raise LabError(msg)
        return found.data_percent

    def await_allocated(
        self, disk: LaterDisk, good: Callable[[float], bool], what: str, failure_class: str
    ) -> float:
        """Wait until `allocated` is *good*; what it is then. `GuestFailure` when it stays bad."""
        self._until(lambda: self.allocated(disk), good, what, failure_class)
        return self.allocated(disk)

    def require_discards(self) -> None:
        """`NotApplicable` where the thin pool is set to take no notice of them."""
        pool = f"{self.host.volumes.group}/{self.host.volumes.pool}"
        said = self.host.runner.run(Command.of("lvs", "--noheadings", "-o", "discards", pool))
        if said.stdout.strip() == "ignore":
            msg = f"{self.host.name}: {pool} is set to take no notice of discards (lvmthin(7))"
            raise NotApplicable(msg)

    def require_root_snapshot(self) -> None:
        """`NotApplicable`, with the reason, where its root is none that can be snapshotted."""
        if self.disks.overlay:
            msg = "its root is a qcow2 image over a volume: no snapshot of one LV has all of it"
            raise NotApplicable(msg)
        found = self.host.volumes.find(self.disks.root)
        if found is None or not found.pool:
            msg = f"its root is on {self.disks.root}, which is no thin volume"
            raise NotApplicable(msg)

    def snapshot_root(self) -> str:
        """Take a thin snapshot of its root as it is now, running; the volume's name."""
        self.require_root_snapshot()
        name = scratch_name(self._run, self.spec.name, SNAPSHOT)
        if name not in self._more_volumes:
            self._more_volumes.append(name)
        tags = scratch_tags(self._run, self.spec.name)
        with in_slot(self._lease), self.step.phase("snapshot"):
            self._fenced.volumes.snapshot(self.disks.root, name, tags)
        return name

    def start_from(self, volume: str) -> None:
        """As `start`, with that volume in place of its root."""
        config = self.domain_config()
        first, *others = config.disks
        root = replace(first, path=self.host.volumes.path(volume))
        self._start(replace(config, disks=(root, *others)))

    def domain_config(self) -> DomainConfig:
        """See `GuestMaking.domain_config`; with the disk for which it has a QEMU."""
        config = super().domain_config()
        return replace(config, disks=(*config.disks, *self._always))

    def lacks_qemu(self, disk: LaterDisk) -> bool:
        """Whether QEMU should serve that disk, and its domain has none."""
        has = self.spec.virt is Virt.HVM or self.disks.overlay is not None or bool(self._always)
        return disk.backing.kind == QDISK and not has

    def have_qemu(self) -> None:
        """Start it anew, with a small disk that makes libxl start a QEMU for its domain.

        libxl does that for a PV or PVH domain when it makes it, and never later: such a disk,
        given while it runs, is served by nobody, and xl does not say so (libxl__dm_check_start in
        libxl_dm.c asks before it is known what shall serve the disk; seen with Xen 4.17).
        """
        disk = self.make_disk(Backing.QCOW2, SMALLEST)
        self._always = (replace(disk.disk, vdev=ALWAYS_VDEV),)
        with self.step.phase("restart"):
            self.stop()
            self.start()

    def _disk_size(self, vdev: str) -> int:
        return int(self.ssh.run(Command.script("disk-size", _SIZE, vdev)).stdout)
