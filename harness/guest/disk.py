"""From a tar archive to a disk image: partitions, file systems and boot loaders, without root.

All of it is done to a plain file. Nothing is mounted, and no loop device is used: see
docs/adr/0004 and 0010.
"""

from __future__ import annotations

from pathlib import Path

from harness.guest.cache import IMAGE
from harness.guest.ext4 import MAKE_EXT4, UNPACK_TREE
from harness.guest.fstab import ROOT_LABEL
from harness.guest.grub import BOOT_SECTOR, CORE, EFI_PROGRAM, PARTS_DIR, boot_sector, core_image
from harness.guest.layout import (
    BIOS_BOOT_OFFSET,
    ESP_OFFSET,
    ESP_SIZE,
    SECTOR,
    Layout,
    partition_table,
)
from harness.guest.menu import MENU_PATH
from harness.remote.command import Command
from harness.units import Size

PARTS, BOOT, MENU, PACKAGES = "parts", "boot", "menu", "packages"
"""What `make_image` leaves beside the image, for the manifest."""

# $1 the build's directory, $2 the size of the image, $3 where the root file system begins in it,
# $4 its size in KiB, $5 the partition table or nothing. The journal is small because a guest of
# minutes has little to journal, and all of it would have to be sent to the host. FAT16 (-c 4)
# and not FAT12, which mformat would choose for so few clusters.
_MAKE = f"""\
{UNPACK_TREE}{MAKE_EXT4}
cd "$1"
unpack_tree root.tar tree
rm root.tar
truncate -s "$2" {IMAGE}
make_ext4 tree {IMAGE} "$3" "$4" {ROOT_LABEL} -m 1 -J size=16
if [ "$5" ]; then
    printf %s "$5" | sfdisk -q --no-reread --no-tell-kernel --wipe never {IMAGE}
    esp={IMAGE}@@{ESP_OFFSET}
    mformat -i "$esp" -T {ESP_SIZE // SECTOR} -c 4 -v XENFLIGHT ::
    mmd -i "$esp" ::/EFI ::/EFI/BOOT
    mcopy -i "$esp" tree{PARTS_DIR}/{EFI_PROGRAM} ::/EFI/BOOT/
    mkdir {PARTS}
    cp tree{PARTS_DIR}/{BOOT_SECTOR} tree{PARTS_DIR}/{CORE} {PARTS}/
fi
fallocate --dig-holes {IMAGE}
mkdir {BOOT}
cp tree/boot/vmlinuz-* tree/boot/initrd.img-* {BOOT}/
cp tree{MENU_PATH} {MENU}
cp tree/usr/share/xenflight/packages {PACKAGES}
rm -rf tree
"""


def make_image(directory: Path, layout: Layout, size: Size) -> Command:
    """Turn ``root.tar`` in *directory* into the image; to be run in a user namespace."""
    table = partition_table(size) if layout is Layout.DISK else ""
    root_kib = int(layout.root_size(size)) // 1024
    return Command.of(
        *("sh", "-ec", _MAKE, "sh", directory, int(size), layout.root_offset, root_kib, table)
    )


def write_bios_loader(directory: Path) -> None:
    """Put GRUB for BIOS into the first sector and its own partition.

    `LabError` when the guest's packages made something else than expected.
    """
    parts = directory / PARTS
    first = boot_sector((parts / BOOT_SECTOR).read_bytes())
    core = core_image((parts / CORE).read_bytes())
    with (directory / IMAGE).open("r+b") as image:
        image.write(first)
        image.seek(BIOS_BOOT_OFFSET)
        image.write(core)
