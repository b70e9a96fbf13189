"""Disks that a guest is given while it runs: what is behind each in dom0."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from harness.errors import LabError, NotApplicable
from harness.flight.axes import Devices
from harness.flight.model import EXTRA_DEVICES, JobSpec
from harness.flight.needs import WHY, HostFlag
from harness.host.capabilities import Capabilities
from harness.host.names import build_directory
from harness.host.xenhost import XenHost
from harness.remote.command import Command
from harness.storage.names import scratch_name, scratch_tags
from harness.units import Size
from harness.wait import Deadline
from harness.xen.config import Disk
from harness.xen.files import FORGET_FILES, ROOM_FOR

SIZE = Size.parse("64M")
"""Of such a disk, unless it is told: enough for thousands of blocks, little for an emulated one."""
VDEV = EXTRA_DEVICES[-2]
"""What the guest calls it. There is one at a time."""
QDISK = "qdisk"
DAMAGED = 86
"""Exit status when qemu-img finds an image damaged; chosen by us."""
MAKE_TIMEOUT = timedelta(minutes=2)
REMOVE_TIMEOUT = timedelta(minutes=2)

# Not in memory, and where a dead flight's files are removed; with room for as much again, to read
# it all when it is looked at. $1 file, $2 format, $3 MiB.
_MAKE_IMAGE = f"""{ROOM_FOR}
room_for "$1" $((2 * $3 + 64))
if [ "$2" = raw ]; then truncate -s "$3M" "$1"; else qemu-img create -q -f "$2" "$1" "$3M"; fi
"""
# What is there, and not what dom0 has of it in its cache. $1 file or device, $2 format.
_HASH_BACKING = """
if [ "$2" = raw ]; then
    dd if="$1" bs=1M iflag=direct status=none | sha256sum
else
    qemu-img check -q -f "$2" "$1" >&2 || exit 86
    qemu-img convert -f "$2" -O raw "$1" "$1.raw"
    sha256sum <"$1.raw"
    rm -f "$1.raw"
fi
"""


class Backing(StrEnum):
    """What is behind a disk."""

    LV = "lv"
    """A logical volume with all its space, outside of the thin pool."""
    THIN = "thin"
    """An empty thin volume."""
    SNAPSHOT = "snapshot"
    """A thin snapshot of another disk's volume."""
    RAW = "raw"
    """A file on dom0's own disk, behind a loop device that libxl's script makes."""
    QCOW2 = "qcow2"
    """A qcow2 image there, served by QEMU."""
    TIGHT = "tight"
    """A qcow2 image in a thin volume that is smaller than the image may become."""

    @property
    def in_file(self) -> bool:
        """Whether it is on dom0's own disk."""
        return self in (Backing.RAW, Backing.QCOW2)

    @property
    def written_as(self) -> str:
        """As xl calls it."""
        return "qcow2" if self in (Backing.QCOW2, Backing.TIGHT) else "raw"

    @property
    def kind(self) -> str:
        """The kind of its back end in xenstore. libxl has QEMU serve what is not raw."""
        return "vbd" if self.written_as == "raw" else QDISK


@dataclass(frozen=True, kw_only=True)
class LaterDisk:
    """One of them. *part* tells the job's disks apart, in the names of volumes and files."""

    part: str
    backing: Backing
    size: Size
    """As the guest sees it."""
    volume: str = ""
    """The LV, if it is in one."""
    path: str

    @property
    def disk(self) -> Disk:
        """What xl is told of it."""
        return Disk(path=self.path, vdev=VDEV, format=self.backing.written_as)


def require_backing(
    backing: Backing, size: Size, spec: JobSpec, host: XenHost, capabilities: Capabilities
) -> None:
    """`NotApplicable`, with the reason, where such a disk cannot be had."""
    if spec.devices is Devices.EMULATED:
        msg = "a guest that does not know of Xen is given no disk while it runs"
        raise NotApplicable(msg)
    if backing.kind == QDISK and HostFlag.QDISK not in capabilities.flags:
        why = capabilities.because.get(HostFlag.QDISK, WHY[HostFlag.QDISK])
        msg = f"{host.name}: {why}"
        raise NotApplicable(msg)
    if backing is Backing.LV and (free := host.volumes.free) < size:
        msg = (
            f"{host.name}: all of {host.volumes.group} is in its thin pool and other volumes: "
            f"{free} are left, and {size} are needed for an LV that is not thin"
        )
        raise NotApplicable(msg)


def plan_disk(
    backing: Backing, size: Size, *, part: str, run: str, spec: JobSpec, domain: str, host: XenHost
) -> LaterDisk:
    """Such a disk of the job's. A value: nothing of it need exist yet."""
    if backing.in_file:
        path = build_directory(run, f"{domain}.{part}.{backing.written_as}")
        return LaterDisk(part=part, backing=backing, size=size, path=path)
    volume = scratch_name(run, spec.name, part)
    path = host.volumes.path(volume)
    return LaterDisk(part=part, backing=backing, size=size, path=path, volume=volume)


def make_disk(host: XenHost, disk: LaterDisk, run: str, job: str, *, on: Size, of: str) -> None:
    """Make what is behind it. *on*: the size of a `Backing.TIGHT` one's volume; *of*: the volume
    that a `Backing.SNAPSHOT` is taken of. `LabError` when there is no space."""
    tags = scratch_tags(run, job)
    match disk.backing:
        case Backing.LV:
            host.volumes.create_thick(disk.volume, disk.size, tags)
        case Backing.THIN:
            host.volumes.create_thin(disk.volume, disk.size, tags)
        case Backing.SNAPSHOT:
            host.volumes.snapshot(of, disk.volume, tags)
        case Backing.TIGHT:
            host.volumes.create_thin(disk.volume, on, tags)
            make = ("qemu-img", "create", "-q", "-f", "qcow2", disk.path, f"{disk.size.mib}M")
            host.runner.run(Command.of(*make), timeout=MAKE_TIMEOUT)
        case Backing.RAW | Backing.QCOW2:
            words = (disk.path, disk.backing.written_as, disk.size.mib)
            command = Command.script("make-image", _MAKE_IMAGE, *words)
            host.runner.run(command, timeout=MAKE_TIMEOUT)


def remove_disk(host: XenHost, disk: LaterDisk) -> None:
    """Remove what is behind it; well if that is gone already. `LabError` when it would not go."""
    if disk.volume:
        host.volumes.remove(disk.volume, Deadline.after(REMOVE_TIMEOUT))
    else:
        forget_image(host, disk.path)


def forget_image(host: XenHost, path: str) -> None:
    """Remove the file that a disk is in, and its directory if that is empty then."""
    host.runner.run(Command.script("forget-image", FORGET_FILES, path, f"{path}.raw"))


def hash_backing(host: XenHost, disk: LaterDisk, timeout: timedelta) -> str:
    """The SHA-256 of all of it, as dom0 reads it; no domain may have it.

    `LabError` for one in a volume of another size; `CommandFailed`, with `DAMAGED`, where
    qemu-img finds the image damaged.
    """
    if disk.backing is Backing.TIGHT:
        msg = f"{disk.path} has no room to be read in"
        raise LabError(msg)
    command = Command.script("hash-backing", _HASH_BACKING, disk.path, disk.backing.written_as)
    return host.runner.run(command, timeout=timeout).stdout.split()[0]
