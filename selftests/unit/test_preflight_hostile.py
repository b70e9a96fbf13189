"""What an image was made to do to those who look into it: crash, hang, or fill the memory.

Nothing here has a time limit. What was quadratic would take hours, and what had no end, for ever.
"""

from __future__ import annotations

import gzip
import random
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from test_preflight_files import DictTree

from harness.errors import DeadlineExceeded, TooMuchOutput
from harness.preflight import pygrub
from harness.preflight.choices import Chooser
from harness.preflight.files import Node, UnreadableError, find
from harness.preflight.initrd import read_initrd
from harness.preflight.kernel import newest_kernel, read_kernel
from harness.preflight.menu import parse_menu
from harness.preflight.model import Disk, FileSystem, Partition
from harness.preflight.opened import RawImage
from harness.preflight.trees import ExtTree, FatTree
from harness.preflight.userland import read_userland
from harness.remote.fake import FakeRunner

LONG = 1 << 16
PART = Partition(number=1, start=0, size=1, kind="", fs=FileSystem(type="ext4", uuid="1-2"))
MENU = """\
set default="0"
search --no-floppy --fs-uuid --set=root 1-2
submenu 'more' {
menuentry 'Test' --class gnu-linux $menuentry_id_option 'gnulinux' {
        linux   (hd0,gpt1)/boot/vmlinuz-1 root=UUID=1-2 ro
        initrd  /boot/initrd.img-1
}
}
"""
TEXTS = {
    "empty lines": "\n" * LONG,
    "spaces": " " * LONG,
    "spaces before a brace that never comes": "menuentry" + " " * LONG + "x",
    "quotes before a brace that never comes": "menuentry '" + "' " * LONG,
    "quotes after the only brace": "menuentry '{" + "' " * LONG,
    "braces": "menuentry " + "{" * LONG + "x",
    "one word": "a" * LONG,
    "open quotes": '"' * LONG,
    "submenus": "submenu a {\n" * 5_000 + "menuentry a {\n}\n" * 5_000,
    "a number that int() refuses": f"set default={'9' * 5000}\n{MENU}",
    "a digit that int() refuses": "set default=\u00b2\n" + MENU.replace("gpt1", "gpt\u00b2"),
    "assignments": 'set default="' * (LONG // 16),
    "interfaces": "iface " * LONG,
    "respawned": "a:" * LONG + ":respawn:",
}


def image(tmp_path: Path) -> RawImage:
    return RawImage(path=tmp_path / "disk", directory=tmp_path, format="raw", packed="", size=0)


@pytest.mark.parametrize("name", TEXTS)
def test_texts_that_would_take_hours(name: str) -> None:
    text = TEXTS[name]
    parse_menu(text, text).chosen()
    with suppress(pygrub.PygrubError):
        pygrub.choose(text.encode())
    paths = ("network/interfaces", "netplan/a.yaml", "fstab", "os-release", "inittab", "init")
    read_userland(DictTree({f"/etc/{path}": text.encode() for path in paths}), PART)


def cpio_member(size: bytes) -> bytes:
    return b"070701" + b"0" * 48 + size + b"0" * 48 + bytes(500)


@pytest.mark.parametrize("size", [b"-0000070", b" 0000001", b"0x000001", b"0000_001"])
def test_a_member_of_an_archive_with_less_than_nothing_in_it(size: bytes, tmp_path: Path) -> None:
    tree = DictTree({"/i": cpio_member(size)})
    found = read_initrd(image(tmp_path), tree, 1, "/i", FakeRunner())
    assert found is not None
    assert found.problem == "an archive in it is damaged"


def test_archives_after_archives_are_not_followed_for_ever(tmp_path: Path) -> None:
    end = b"070701" + b"0" * 88 + b"0000000b" + b"0" * 8 + b"TRAILER!!!\0" + bytes(3)
    tree = DictTree({"/i": gzip.compress(end * 100_000)})
    assert read_initrd(image(tmp_path), tree, 1, "/i", FakeRunner()) is not None


def bzimage(payload: bytes) -> bytes:
    head = bytearray(1024)
    head[0x1F1] = 1
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x206, 0x20F)
    struct.pack_into("<II", head, 0x248, 0, len(payload))
    return bytes(head) + payload


@pytest.mark.parametrize(
    "data", [b"\x7fELF", b"\x7fELF\x02" + bytes(40), bzimage(b"\x5d\0\0"), bzimage(b"\x7fELF")]
)
def test_kernels_that_end_where_something_is_looked_for(data: bytes, tmp_path: Path) -> None:
    kernel = read_kernel(image(tmp_path), DictTree({"/k": data}), 1, "/k", FakeRunner())
    assert kernel is not None
    assert kernel.pv is None


def test_a_kernel_that_claims_many_huge_notes(tmp_path: Path) -> None:
    elf = bytearray(b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI", 2, 0x3E, 1))
    elf += struct.pack("<QQQIHHHHHH", 0, 64, 0, 0, 64, 0, 65535, 0, 0, 0)
    elf += struct.pack("<IIQQQQQQ", 4, 4, 0, 0, 0, 1 << 22, 1 << 22, 4) + bytes(1 << 22)
    tree = DictTree({"/k": bytes(elf)})
    assert read_kernel(image(tmp_path), tree, 1, "/k", FakeRunner()) is not None


def test_names_of_kernels_with_odd_digits() -> None:
    files = {"/boot/vmlinuz-\u00b2": b"", "/boot/vmlinuz-1": b"", f"/boot/vmlinuz-{'9' * 99}": b""}
    assert newest_kernel(DictTree(files), "/boot") is not None


def test_a_program_too_short_to_tell_its_machine() -> None:
    assert read_userland(DictTree({"/bin/sh": b"\x7fELF"}), PART).arch == ""


@pytest.mark.parametrize("target", ["//etc/passwd", "/../../etc/passwd", "../../../etc/passwd"])
def test_links_never_lead_out_of_the_image(target: str) -> None:
    tree = DictTree({"/a/b/link": b"->" + target.encode(), "/etc/passwd": b"the image's own"})
    found = find(tree, "/a/b/link")
    assert found is not None
    assert found[0] == "/etc/passwd"


def test_a_link_of_many_gigabytes_is_not_read(tmp_path: Path) -> None:
    runner = FakeRunner()
    runner.on(r"stat", "Type: symlink\n")
    tree = ExtTree(image(tmp_path), 0, runner)
    with pytest.raises(UnreadableError, match="a symbolic link of 17592186044416 bytes"):
        tree.target(Node(key="<20>", mode=0o120777, size=1 << 44))
    assert not any("cat" in line for line in runner.lines)


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), TooMuchOutput("much")])
def test_a_directory_that_contains_itself_is_a_fault_of_the_image(
    error: Exception, tmp_path: Path
) -> None:
    runner = FakeRunner()
    runner.on(r"mdir", raises=error)
    tree = FatTree(image(tmp_path), 0, runner)
    with pytest.raises(UnreadableError, match="mdir does not come to an end"):
        tree.entries(tree.top)


def mutated(data: bytes, rnd: random.Random) -> bytes:
    """*data* with some of it cut off, or overwritten by what parsers stumble over."""
    bad = (
        b"\xff\xff\xff\xff",
        bytes(4),
        b"-001",
        b"\x7fELF",
        "\u00b2".encode(),
        b"\n'{",
        b"070701",
    )
    out = bytearray(data)
    for _ in range(rnd.choice((1, 2, 5))):
        at = rnd.randrange(min(len(out), rnd.choice((600, 1 << 20))) + 1)
        if rnd.randrange(4) == 0:
            del out[at:]
        else:
            piece = rnd.choice(bad)
            out[at : at + len(piece)] = piece
    return bytes(out)


def test_damaged_files_are_told_and_never_crash_anything(tmp_path: Path) -> None:
    rnd = random.Random(4)
    good = {
        "/boot/vmlinuz-1": bzimage(gzip.compress(b"\x7fELF\x02" + bytes(200))),
        "/boot/initrd.img-1": cpio_member(b"00000004") + gzip.compress(cpio_member(b"0" * 8)),
        "/boot/config-1": b"CONFIG_XEN_PV=y\n",
        "/boot/grub/grub.cfg": MENU.encode(),
        "/etc/fstab": b"UUID=1-2 / ext4 noauto 0 1\n",
        "/etc/passwd": b"root:x:0:0::/root:/bin/sh\n",
        "/bin/sh": b"\x7fELF\x02" + bytes(100),
        "/sbin/init": b"->/lib/systemd/systemd",
    }
    disk = Disk(table="gpt", partitions=(PART,))
    for _ in range(60):
        files = dict(good)
        for path in rnd.sample(sorted(files), 3):
            files[path] = mutated(files[path], rnd)
        chooser = Chooser(
            image=image(tmp_path), runner=FakeRunner(), disk=disk, trees={1: DictTree(files)}
        )
        looks: tuple[Callable[[], object], ...] = (chooser.grub, chooser.pvgrub, chooser.pygrub)
        for look in looks:
            look()
        chooser.direct(1)
        read_userland(DictTree(files), PART)
