"""What is on a guest's disk: one file system, or partitions with boot loaders in front of it."""

from __future__ import annotations

from enum import StrEnum

from harness.units import Size

SECTOR = 512
_MIB = 1 << 20

BIOS_BOOT_OFFSET = 1 * _MIB
"""GRUB's core image for BIOS is here, in a partition without a file system."""
BIOS_BOOT_SIZE = 1 * _MIB
ESP_OFFSET = 2 * _MIB
"""The EFI system partition: a FAT file system."""
ESP_SIZE = 14 * _MIB
_ROOT_OFFSET = 16 * _MIB
_TAIL = 1 * _MIB
"""The copy of the partition table at the end of the disk takes 33 sectors."""


class Layout(StrEnum):
    """What is on a guest's disk."""

    BARE = "bare"
    """One ext4 file system, which the guest sees as its first partition."""
    DISK = "disk"
    """A GPT, the boot loaders for BIOS and for UEFI, and the ext4 file system.
    See docs/adr/0010."""

    @property
    def root_partition(self) -> int:
        """Number of the partition with the root file system; 0 without partitions."""
        return 3 if self is Layout.DISK else 0

    @property
    def root_offset(self) -> int:
        """Where the root file system begins, in bytes."""
        return _ROOT_OFFSET if self is Layout.DISK else 0

    def root_size(self, disk: Size) -> Size:
        """How much of a *disk* the root file system gets: whole MiB where there are partitions."""
        if self is Layout.BARE:
            return disk
        return Size((int(disk) - _ROOT_OFFSET - _TAIL) // _MIB * _MIB)


def partition_table(disk: Size) -> str:
    """The partitions of `Layout.DISK`, for sfdisk(8).

    The first type is GRUB's own for its core image (its manual: "BIOS installation"); ``U`` is an
    EFI system partition and ``L`` a Linux file system.
    """
    rows = (
        (BIOS_BOOT_OFFSET, BIOS_BOOT_SIZE, "21686148-6449-6E6F-744E-656564454649"),
        (ESP_OFFSET, ESP_SIZE, "U"),
        (_ROOT_OFFSET, int(Layout.DISK.root_size(disk)), "L"),
    )
    lines = [
        f"start={start // SECTOR}, size={size // SECTOR}, type={kind}" for start, size, kind in rows
    ]
    return "\n".join(["label: gpt", *lines]) + "\n"
