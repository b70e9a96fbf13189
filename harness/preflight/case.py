"""One way to boot one image, and how its guest would call its disks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from harness.flight.axes import Boot, Virt
from harness.preflight.kernel import BLOCK
from harness.preflight.model import Choice, Driver, ImageReport, Partition

_NAMED = re.compile(r"/dev/(?P<disk>xvd[a-z]|[shv]d[a-z]|nvme\d+n\d+)p?(?P<number>\d*)")
_BY = {"UUID": "fs-uuid", "LABEL": "label", "PARTUUID": "part-uuid"}
_LINKS = {"by-uuid": "UUID", "by-label": "LABEL", "by-partuuid": "PARTUUID"}


class Lookup(Enum):
    """What became of the search for a device, when no partition of the image is it."""

    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Case:
    """An image, to be booted with *virt* by *boot*.

    *kernel_args* are those that the harness adds to the kernel's line in the image's menu.
    """

    report: ImageReport
    virt: Virt
    boot: Boot
    kernel_args: str = ""

    @property
    def choice(self) -> Choice:
        """What the boot method would take from the image."""
        report = self.report
        return {
            Boot.DIRECT: report.direct,
            Boot.PYGRUB: report.pygrub,
            Boot.PVGRUB: report.pvgrub,
            Boot.BIOS: report.bios,
            Boot.UEFI: report.uefi,
        }[self.boot]

    @property
    def args(self) -> list[str]:
        """The words of the kernel's line; of a direct boot it is the harness's own."""
        if self.boot is Boot.DIRECT:
            number = self.report.root.partition if self.report.root else 0
            own = f"root=/dev/xvda{number or 1} ro console={self.console}"
            return f"{own} {self.kernel_args}".split()
        return f"{self.choice.args} {self.kernel_args}".split()

    def values(self, name: str) -> list[str]:
        """All values of a kernel argument, in order."""
        start = f"{name}="
        return [word.removeprefix(start) for word in self.args if word.startswith(start)]

    @property
    def console(self) -> str:
        """Where the harness waits for the login, see `harness.job.booting.guest_console`."""
        if self.virt is not Virt.HVM or self.boot is Boot.DIRECT:
            return "hvc0"
        named = [value.partition(",")[0] for value in self.values("console")]
        return "ttyS0" if "ttyS0" in named and "hvc0" not in named else "hvc0"

    @property
    def xen_disks(self) -> bool | None:
        """Whether the guest's disks are Xen's: xvda. An HVM guest may keep to emulated ones."""
        if self.virt is not Virt.HVM:
            return True
        kernel = self.choice.kernel
        if kernel is None or kernel.pvhvm is None:
            return None
        return kernel.pvhvm and kernel.drivers.get(BLOCK) is not Driver.NONE

    def device(self, name: str) -> Partition | Lookup:
        """The partition that the guest finds under *name*: a path, or ``UUID=`` and the like."""
        folder, _, rest = name.removeprefix("/dev/disk/").partition("/")
        if name.startswith("/dev/disk/") and folder in _LINKS:
            name = f"{_LINKS[folder]}={rest}"
        kind, equals, value = name.partition("=")
        if equals:
            return self._by_tag(kind, value) if kind in _BY else Lookup.UNKNOWN
        match = _NAMED.fullmatch(name)
        if match is None:
            known_absent = re.fullmatch(r"/dev/(?:loop\d+|nbd\d+|mmcblk\d+|sr\d+)(?:p\d+)?", name)
            return Lookup.ABSENT if known_absent else Lookup.UNKNOWN
        return self._by_path(match["disk"], int(match["number"] or 0))

    def _by_path(self, disk: str, number: int) -> Partition | Lookup:
        xen = self.xen_disks
        if disk.startswith("xvd"):
            if xen is not True:
                return Lookup.UNKNOWN if xen is None else Lookup.ABSENT
        elif xen is not False or not disk.startswith(("sd", "hd")):
            return Lookup.UNKNOWN if xen is None else Lookup.ABSENT
        if disk[-1] != "a":
            return Lookup.ABSENT
        if self._bare:
            # The harness gives a bare file system to the guest as its first partition.
            return self.report.disk.partitions[0] if number == 1 else Lookup.ABSENT
        return self.report.partition(number) or Lookup.ABSENT

    @property
    def _bare(self) -> bool:
        parts = self.report.disk.partitions
        return len(parts) == 1 and parts[0].number == 0

    def _by_tag(self, kind: str, value: str) -> Partition | Lookup:
        value = value.strip('"')
        found = [part for part in self.report.disk.partitions if _matches(part, kind, value)]
        if found:
            return found[0]
        parts = self.report.disk.partitions
        # Inside a volume group or an encrypted volume there may be anything.
        nested = any(part.fs and part.fs.type in _CONTAINERS for part in parts)
        return Lookup.UNKNOWN if nested else Lookup.ABSENT


_CONTAINERS = frozenset({"LVM2_member", "crypto_LUKS", "linux_raid_member", "zfs_member", "bcache"})


def _matches(part: Partition, kind: str, value: str) -> bool:
    if kind == "PARTUUID":
        return bool(part.uuid) and part.uuid.lower() == value.lower()
    if part.fs is None:
        return False
    if kind == "UUID":
        return bool(part.fs.uuid) and part.fs.uuid.lower() == value.lower()
    return bool(part.fs.label) and part.fs.label == value
