"""Making a whole disk with the real tools, on a file."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from harness.guest import disk
from harness.guest.layout import BIOS_BOOT_OFFSET, ESP_OFFSET, Layout
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.units import Size

SIZE = Size.parse("64M")
TOOLS = ("mke2fs", "debugfs", "sfdisk", "mcopy")
MISSING = [tool for tool in TOOLS if not shutil.which(tool, path="/usr/sbin:/sbin:/usr/bin:/bin")]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {' '.join(MISSING)}")

# The numbers that are looked at, in their places: as GRUB 2.06 makes them.
BOOT_IMG = bytes(102) + b"\xeb\x05" + bytes(406) + b"\x55\xaa"
CORE_IMG = bytes(510) + b"\x20\x08" + b"core" * 300


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A build's directory, as mmdebstrap leaves it."""
    tree = tmp_path / "source"
    for name, content in {
        "boot/vmlinuz-6": b"kernel",
        "boot/initrd.img-6": b"initrd",
        "boot/grub/grub.cfg": b"menu",
        "usr/share/xenflight/packages": b"udev 252 amd64\n",
        "usr/share/xenflight/boot/boot.img": BOOT_IMG,
        "usr/share/xenflight/boot/core.img": CORE_IMG,
        "usr/share/xenflight/boot/BOOTX64.EFI": b"MZ program",
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    directory = tmp_path / "build"
    directory.mkdir()
    with tarfile.open(directory / "root.tar", "w") as archive:
        archive.add(tree, ".")
    return directory


@pytest.mark.parametrize("layout", list(Layout))
def test_the_image_is_made_of_the_archive(build: Path, layout: Layout) -> None:
    runner = LocalRunner()
    # Without the namespace, which not every machine that runs these tests allows.
    runner.run(disk.make_image(build, layout, SIZE))
    image = build / "root.img"
    assert image.stat().st_size == SIZE
    device = f"{image}?offset={layout.root_offset}"
    assert (
        runner.run(Command.of("debugfs", "-R", "cat /boot/grub/grub.cfg", device)).stdout == "menu"
    )
    runner.run(Command.of("e2fsck", "-fn", device))
    left = {"root.img", disk.BOOT, disk.MENU, disk.PACKAGES}
    assert {path.name for path in build.iterdir()} == left | (
        {disk.PARTS} if layout is Layout.DISK else set()
    )


def test_a_disk_has_its_partitions_and_both_boot_loaders(build: Path) -> None:
    runner = LocalRunner()
    runner.run(disk.make_image(build, Layout.DISK, SIZE))
    disk.write_bios_loader(build)
    image = build / "root.img"
    table = runner.run(Command.of("sfdisk", "--dump", image)).stdout
    assert "label: gpt" in table
    kinds = [line.partition("type=")[2][:8] for line in table.splitlines() if "type=" in line]
    assert kinds == ["21686148", "C12A7328", "0FC63DAF"]
    runner.run(Command.of("sfdisk", "--verify", image))
    with image.open("rb") as file:
        first = file.read(512)
        file.seek(BIOS_BOOT_OFFSET)
        core = file.read(len(CORE_IMG))
    assert first[0x5C:0x64] == (BIOS_BOOT_OFFSET // 512).to_bytes(8, "little")
    assert first[510:] == b"\x55\xaa"
    assert first[450] == 0xEE, "the partition that protects a GPT"
    assert core[512:] == CORE_IMG[512:]
    esp = f"{image}@@{ESP_OFFSET}"
    assert (
        runner.run(Command.of("mtype", "-i", esp, "::/EFI/BOOT/BOOTX64.EFI")).stdout == "MZ program"
    )
