"""Whole disks: partitions, and GRUB's first sectors."""

from __future__ import annotations

import itertools
import re
import struct

import pytest
from guest_samples import BOOT_IMG, CORE_IMG

from harness.errors import LabError
from harness.guest.grub import boot_sector, core_image
from harness.guest.layout import BIOS_BOOT_OFFSET, BIOS_BOOT_SIZE, Layout, partition_table
from harness.units import Size

SIZE = Size.parse("64M")


def test_the_boot_sector_knows_where_the_core_is() -> None:
    code = boot_sector(BOOT_IMG)
    assert len(code) == 440
    assert struct.unpack_from("<Q", code, 0x5C) == (2048,)
    assert code[0x64] == 0xFF, "it boots from the drive that the BIOS says"
    assert code[0x66:0x68] == b"\x90\x90"
    changed = {at for at in range(440) if code[at] != BOOT_IMG[at]}
    assert changed == {0x5C, 0x5D, 0x66, 0x67}


def test_the_core_knows_where_the_rest_of_it_is() -> None:
    core = core_image(CORE_IMG)
    assert struct.unpack_from("<QHH", core, 500) == (2049, 5, 0x820)
    assert (core[:500], core[512:]) == (CORE_IMG[:500], CORE_IMG[512:])


@pytest.mark.parametrize(
    "image", [b"", BOOT_IMG[:-1], BOOT_IMG[:-2] + b"xx", BOOT_IMG.replace(b"\xeb\x05", b"??")]
)
def test_what_is_no_boot_sector_is_refused(image: bytes) -> None:
    with pytest.raises(LabError, match=r"not GRUB's boot\.img"):
        boot_sector(image)


@pytest.mark.parametrize("image", [b"", b"x", CORE_IMG[:512], CORE_IMG.replace(b"\x20\x08", b"??")])
def test_what_is_no_core_is_refused(image: bytes) -> None:
    with pytest.raises(LabError, match=r"not GRUB's core\.img"):
        core_image(image)


def test_a_core_too_big_for_its_partition_is_refused() -> None:
    core_image(CORE_IMG.ljust(BIOS_BOOT_SIZE))
    with pytest.raises(LabError, match="its partition 1048576"):
        core_image(CORE_IMG.ljust(BIOS_BOOT_SIZE + 1))


@pytest.mark.parametrize("text", ["768M", "2G", "1073742336"])
def test_partitions_follow_each_other_and_leave_room_for_the_second_table(text: str) -> None:
    size = Size.parse(text)
    rows = re.findall(r"start=(\d+), size=(\d+)", partition_table(size))
    parts = [(int(start) * 512, int(length) * 512) for start, length in rows]
    assert len(parts) == Layout.DISK.root_partition
    for (start, length), (follows, _) in itertools.pairwise(parts):
        assert start + length == follows
    assert parts[0] == (BIOS_BOOT_OFFSET, BIOS_BOOT_SIZE)
    assert parts[-1] == (Layout.DISK.root_offset, Layout.DISK.root_size(size))
    assert all(start % (1 << 20) == 0 for start, _ in parts)
    assert sum(parts[-1]) + 33 * 512 <= size


def test_a_bare_image_is_all_root() -> None:
    assert (Layout.BARE.root_offset, Layout.BARE.root_size(SIZE)) == (0, SIZE)
