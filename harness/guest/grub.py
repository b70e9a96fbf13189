"""GRUB on a guest's disk: where its first parts are, and what it is made of.

The parts themselves are made in the guest's tree, by the guest's own packages: they are what
that release of the distribution boots with.
"""

from __future__ import annotations

import struct

from harness.errors import LabError
from harness.guest.fstab import ROOT_LABEL
from harness.guest.layout import BIOS_BOOT_OFFSET, BIOS_BOOT_SIZE, SECTOR

PACKAGES = ("grub-pc-bin", "grub-efi-amd64-bin", "grub2-common")
PARTS_DIR = "/usr/share/xenflight/boot"
"""In the root file system."""
BOOT_SECTOR, CORE, EFI_PROGRAM = "boot.img", "core.img", "BOOTX64.EFI"

# What it takes to read a kernel from ext4 on a GPT and to be heard on the serial line. A menu
# that asks for more gets it from the guest's packages, through the links in /boot/grub.
_MODULES = (
    *("part_gpt", "ext2", "search_label", "serial", "terminal", "terminfo"),
    *("normal", "configfile", "linux", "gzio", "echo", "test", "ls", "cat", "reboot", "halt"),
)

# Read before any menu, by GRUB's smallest parser: commands only. Where there is no serial line
# the screen stays in use. "dumb": without the escape sequences of a vt100, a log can be read.
_EARLY = f"""\
serial --unit=0 --speed=115200
terminfo serial dumb
terminal_output serial
terminal_input serial
echo GRUB looks for the file system {ROOT_LABEL}
search.fs_label {ROOT_LABEL} root
set prefix=($root)/boot/grub
"""

MAKE_PARTS = f"""\
mkdir -p "$1{PARTS_DIR}" "$1/boot/grub"
cat >"$1{PARTS_DIR}/early.cfg" <<'EOF'
{_EARLY}EOF
mkimage() {{
    chroot "$tree" grub-mkimage --prefix=/boot/grub --config={PARTS_DIR}/early.cfg "$@" \\
        {" ".join(_MODULES)}
}}
tree=$1
mkimage --format=i386-pc --output={PARTS_DIR}/{CORE} biosdisk
mkimage --format=x86_64-efi --output={PARTS_DIR}/{EFI_PROGRAM} fat
cp "$1/usr/lib/grub/i386-pc/{BOOT_SECTOR}" "$1{PARTS_DIR}/"
for platform in i386-pc x86_64-efi; do
    ln -s "../../usr/lib/grub/$platform" "$1/boot/grub/$platform"
done
"""

# Where the numbers are in GRUB's boot sectors: include/grub/i386/pc/boot.h (KERNEL_SECTOR,
# DRIVE_CHECK) and struct grub_pc_bios_boot_blocklist in include/grub/offsets.h, all in its
# source. util/setup.c (grub-bios-setup) does the same, but only to a disk that is a device.
_KERNEL_SECTOR = 0x5C
_DRIVE_CHECK = 0x66
_JUMP, _NOPS = b"\xeb\x05", b"\x90\x90"
_BOOT_CODE = 440
"""So much of the first sector is code; the disk's signature and partitions follow."""
_SIGNATURE = b"\x55\xaa"
_BLOCK_LIST = SECTOR - 12
_SEGMENT = 0x820
"""Where the second sector of a core image is loaded to: 0x8200."""


def boot_sector(image: bytes) -> bytes:
    """The code for a disk's first sector, from GRUB's boot.img; 440 bytes.

    `LabError` when *image* is no boot.img.
    """
    check = image[_DRIVE_CHECK : _DRIVE_CHECK + 2]
    if len(image) != SECTOR or not image.endswith(_SIGNATURE) or check != _JUMP:
        msg = f"this is not GRUB's {BOOT_SECTOR}: its boot sector cannot be made"
        raise LabError(msg)
    code = bytearray(image[:_BOOT_CODE])
    struct.pack_into("<Q", code, _KERNEL_SECTOR, BIOS_BOOT_OFFSET // SECTOR)
    # The jump leaves out a check of the drive's number that is meant for hard disks.
    code[_DRIVE_CHECK : _DRIVE_CHECK + 2] = _NOPS
    return bytes(code)


def core_image(image: bytes) -> bytes:
    """*image*, a core.img, with its first sector told where on the disk the rest of it is.

    `LabError` when it is no core.img for BIOS, or too big for its partition.
    """
    if len(image) > BIOS_BOOT_SIZE:
        msg = f"GRUB's {CORE} has {len(image)} bytes, and its partition {BIOS_BOOT_SIZE}"
        raise LabError(msg)
    sectors = -(-len(image) // SECTOR)
    if sectors < 2 or struct.unpack_from("<H", image, SECTOR - 2) != (_SEGMENT,):
        msg = f"this is not GRUB's {CORE} for BIOS: it has no list of its blocks"
        raise LabError(msg)
    patched = bytearray(image)
    first, rest = BIOS_BOOT_OFFSET // SECTOR + 1, sectors - 1
    struct.pack_into("<QHH", patched, _BLOCK_LIST, first, rest, _SEGMENT)
    return bytes(patched)
