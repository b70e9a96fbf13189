"""The disks of one guest: which volumes it gets on the host, and how it sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from harness.build.model import BuiltDisks
from harness.flight.axes import DiskFormat
from harness.flight.model import EXTRA_DEVICES, JobSpec
from harness.host.xenhost import XenHost
from harness.job.prepared import PreparedImage
from harness.remote.command import Command
from harness.storage.names import scratch_name, scratch_tags
from harness.units import Size
from harness.xen.config import Disk

SWAP = "swap"
FORMAT_TIMEOUT = timedelta(minutes=2)
QCOW2_EXTRA = Size.parse("128M")
"""What the tables of a qcow2 image may need beyond its data: far less, for 1 TiB."""


@dataclass(frozen=True, kw_only=True)
class GuestDisks:
    """The volumes of one job, and its view of them. A value: nothing of it need exist yet."""

    root: str
    """The LV with the root file system, as raw bytes: the job's own files are written here."""
    root_offset: int
    """Where in it the file system begins, in bytes."""
    root_device: str
    """As the guest calls the root file system: ``xvda1``."""
    overlay: str | None
    """The LV with the qcow2 image on top of *root*, if the guest shall run on one."""
    swap: str | None
    swap_device: str | None
    extra: tuple[str, ...]
    """Empty LVs."""

    def on(self, built: BuiltDisks) -> GuestDisks:
        """The same, but for what a builder on the host made."""
        return replace(
            self,
            root=built.root,
            root_offset=built.root_offset,
            root_device=built.root_device,
            swap=built.swap,
            swap_device=built.swap_device or None,
        )

    @property
    def volumes(self) -> tuple[str, ...]:
        """All LVs, in an order in which they can be removed."""
        some = (self.overlay, self.swap, *self.extra, self.root)
        return tuple(volume for volume in some if volume)

    def attached(self, host: XenHost) -> tuple[Disk, ...]:
        """What xl gives to the domain, its first disk first."""
        path = host.volumes.path
        # A bare file system is seen as the first partition of a disk without a table.
        bare = self.root_offset == 0
        first = Disk(
            path=path(self.overlay or self.root),
            vdev=self.root_device if bare else "xvda",
            format="qcow2" if self.overlay else "raw",
        )
        rest = [first]
        if self.swap and self.swap_device:
            rest.append(Disk(path=path(self.swap), vdev=self.swap_device))
        for device, volume in zip(EXTRA_DEVICES, self.extra, strict=False):
            rest.append(Disk(path=path(volume), vdev=device))
        return tuple(rest)


def plan_disks(spec: JobSpec, run: str, image: PreparedImage, of: str = "") -> GuestDisks:
    """The disks of the guest of *spec*: a snapshot of its image, and what else it asks for.

    *of* tells those of a second guest from those of the first.
    """

    def name(part: str) -> str:
        return scratch_name(run, spec.name, f"{of}-{part}" if of else part)

    return GuestDisks(
        root=name("root"),
        root_offset=image.root_offset,
        root_device=f"xvda{image.root_partition or 1}",
        overlay=name("qcow2") if spec.disk_format is DiskFormat.QCOW2 else None,
        swap=name(SWAP) if spec.swap else None,
        swap_device="xvdb" if spec.swap else None,
        extra=tuple(name(f"disk{number}") for number, _ in enumerate(spec.extra_disks, 1)),
    )


def make_root(host: XenHost, disks: GuestDisks, spec: JobSpec, run: str, golden: str) -> None:
    """Make the snapshot of the *golden* LV that the guest's root is on."""
    host.volumes.snapshot(golden, disks.root, scratch_tags(run, spec.name))


def make_rest(host: XenHost, disks: GuestDisks, spec: JobSpec, run: str) -> None:
    """Make the other disks; call it when *root* is as the guest shall find it."""
    tags = scratch_tags(run, spec.name)
    if disks.overlay:
        found = host.volumes.find(disks.root)
        data = found.size if found else spec.disk
        overlay = host.volumes.create_thin(disks.overlay, Size(data + QCOW2_EXTRA), tags)
        backing = host.volumes.path(disks.root)
        make = ("qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F", "raw", overlay)
        host.runner.run(Command.of(*make), timeout=FORMAT_TIMEOUT)
    if disks.swap == scratch_name(run, spec.name, SWAP) and spec.swap:
        device = host.volumes.create_thin(disks.swap, spec.swap, tags)
        host.runner.run(Command.of("mkswap", "--quiet", device), timeout=FORMAT_TIMEOUT)
    for volume, size in zip(disks.extra, spec.extra_disks, strict=True):
        host.volumes.create_thin(volume, size, tags)
