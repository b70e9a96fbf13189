"""Kernels, initramfs and paths, in a file system that is only a dictionary."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import LabError
from harness.preflight.files import Node, find, link_at, names, read_text
from harness.preflight.initrd import module_name, read_initrd
from harness.preflight.kernel import newest_kernel, read_kernel
from harness.preflight.model import Driver, Kernel, Partition
from harness.preflight.opened import RawImage
from harness.preflight.sparse import TooBig, write_sparse
from harness.preflight.tools import look
from harness.preflight.unpack import compression_of
from harness.preflight.userland import read_userland
from harness.remote.fake import FakeRunner


@dataclass
class DictTree:
    """Files by path; a link is a path that begins with ``->``."""

    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def top(self) -> Node:
        return Node(key="/", mode=stat.S_IFDIR, size=0)

    def entries(self, directory: Node) -> Mapping[str, Node]:
        found: dict[str, Node] = {}
        for path, content in self.files.items():
            if not PurePosixPath(path).is_relative_to(directory.key):
                continue
            name = PurePosixPath(path).relative_to(directory.key).parts[0]
            key = str(PurePosixPath(directory.key, name))
            mode = stat.S_IFDIR
            if key == path:
                mode = stat.S_IFLNK if content.startswith(b"->") else stat.S_IFREG
            found[name] = Node(key=key, mode=mode, size=len(content))
        return found

    def content(self, file: Node) -> bytes:
        return self.files[file.key]

    def target(self, link: Node) -> str:
        return self.files[link.key].removeprefix(b"->").decode(errors="replace")


def test_paths_go_through_links() -> None:
    tree = DictTree(
        {
            "/usr/lib/systemd/systemd": b"x",
            "/lib": b"->usr/lib",
            "/sbin/init": b"->../lib/systemd/systemd",
            "/loop": b"->loop",
            "/away": b"->/nowhere",
            "/up": b"->../../usr",
        }
    )
    assert find(tree, "/sbin/init") == (
        "/usr/lib/systemd/systemd",
        Node(key="/usr/lib/systemd/systemd", mode=stat.S_IFREG, size=1),
    )
    assert find(tree, "/loop") is None
    assert find(tree, "/away") is None
    assert find(tree, "/usr/lib/systemd/systemd/x") is None
    assert names(tree, "/up") == ["lib"]
    assert link_at(tree, "/sbin/init") == "../lib/systemd/systemd"
    assert link_at(tree, "/usr") is None
    assert read_text(tree, "/none") is None


def raw(tmp_path: Path) -> RawImage:
    return RawImage(path=tmp_path / "x", directory=tmp_path, format="raw", packed="", size=0)


def elf(*kinds: int, wide: bool = True) -> bytes:
    notes = b"".join(struct.pack("<III", 4, 4, kind) + b"Xen\0" + bytes(4) for kind in kinds)
    if wide:
        head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQ", 2, 62, 1, 0, 64, 0)
        head += struct.pack("<IHHHHHH", 0, 64, 56, 1, 0, 0, 0)
        segment = struct.pack("<IIQQQQQQ", 4, 4, 120, 0, 0, len(notes), 0, 4)
    else:
        head = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIII", 2, 3, 1, 0, 52, 0)
        head += struct.pack("<IHHHHHH", 0, 52, 32, 1, 0, 0, 0)
        segment = struct.pack("<IIIIIIII", 4, 84, 0, 0, len(notes), 0, 4, 4)
    return head + segment + notes


def bzimage(payload: bytes, version: int = 0x20F) -> bytes:
    head = bytearray(1024)
    head[0x1F1] = 1
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<HH", head, 0x206, version, 0)
    struct.pack_into("<H", head, 0x20E, 0x100)
    struct.pack_into("<H", head, 0x236, 1)
    struct.pack_into("<II", head, 0x248, 0, len(payload))
    head[0x300:0x30B] = b"6.1.0-x (y)"
    return bytes(head) + payload


def kernel_of(tmp_path: Path, data: bytes, config: str = "") -> Kernel:
    files = {"/boot/vmlinuz-6.1.0-x": data}
    if config:
        files["/boot/config-6.1.0-x"] = config.encode()
    found = read_kernel(raw(tmp_path), DictTree(files), 1, "/boot/vmlinuz-6.1.0-x", FakeRunner())
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kinds", "pv", "pvh"), [((1, 18), True, True), ((18,), False, True), ((5,), False, False)]
)
def test_what_a_kernel_can_is_in_its_notes(
    tmp_path: Path, kinds: tuple[int, ...], pv: bool, pvh: bool
) -> None:
    found = kernel_of(tmp_path, bzimage(gzip.compress(elf(*kinds))), "CONFIG_XEN_PV=y\n")
    assert (found.pv, found.pvh, found.bits) == (pv, pvh, 64)
    assert (found.compression, found.release, found.problem) == ("gzip", "6.1.0-x", "")
    assert found.source == "its ELF notes"


def test_a_kernel_of_32_bits(tmp_path: Path) -> None:
    found = kernel_of(tmp_path, bzimage(gzip.compress(elf(1, wide=False))))
    assert (found.pv, found.bits) == (True, 32)


def test_without_the_program_to_unpack_it_the_configuration_counts(tmp_path: Path) -> None:
    data = bzimage(b"\x28\xb5\x2f\xfd" + bytes(100))
    config = "CONFIG_XEN_PV=y\n# CONFIG_PVH is not set\nCONFIG_XEN_BLKDEV_FRONTEND=m\n"
    found = kernel_of(tmp_path, data, config)
    assert (found.compression, found.pv, found.pvh, found.problem) == ("zstd", True, False, "")
    assert found.source == "/boot/config-6.1.0-x"
    assert found.drivers["xen-blkfront"] is Driver.MODULE
    assert found.drivers["ext4"] is Driver.NONE
    unknown = kernel_of(tmp_path, data)
    assert (unknown.pv, unknown.pvh, unknown.pvhvm, dict(unknown.drivers)) == (None, None, None, {})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"#!/bin/sh\n" * 100, "no Linux kernel"),
        (b"", "no Linux kernel"),
        (bzimage(b"x", version=0x206), "older than 2.08"),
        (bzimage(gzip.compress(elf(1), mtime=0))[:-1], "cut short"),
        (bzimage(gzip.compress(elf(1) * 50, mtime=0)[:-90] + bytes(90)), "gzip payload is damaged"),
    ],
)
def test_what_is_no_whole_kernel(tmp_path: Path, data: bytes, says: str) -> None:
    assert says in kernel_of(tmp_path, data).problem


def test_the_newest_kernel_is_that_of_the_highest_version() -> None:
    files = {f"/boot/vmlinuz-{name}": b"" for name in ("6.1.0-9-amd64", "6.1.0-10-amd64", "5.20")}
    assert newest_kernel(DictTree(files | {"/boot/config-7": b""}), "/boot") == (
        "/boot/vmlinuz-6.1.0-10-amd64"
    )
    assert newest_kernel(DictTree({"/boot/x": b""}), "/boot") is None


def cpio(*members: str) -> bytes:
    out = bytearray()
    for name in (*members, "TRAILER!!!"):
        out += b"070701" + b"".join(b"%08X" % (len(name) + 1 if n == 11 else 0) for n in range(13))
        out += name.encode() + b"\0"
        out += bytes(-len(out) % 4)
    return bytes(out)


@pytest.mark.parametrize("early", [b"", cpio("kernel/x86/microcode/x.bin") + bytes(512)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_initramfs_is_a_row_of_archives(tmp_path: Path, early: bytes, pack: type[bytes]) -> None:
    data = early + pack(cpio("init", "lib/modules/6/kernel/drivers/block/xen-blkfront.ko.xz"))
    found = read_initrd(raw(tmp_path), DictTree({"/i": data}), 1, "/i", FakeRunner())
    assert found is not None
    assert (sorted(found.modules), found.problem) == (["xen-blkfront"], "")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it is empty"),
        (cpio("init", "a.ko")[:-60], "in the middle of an archive"),
        (gzip.compress(cpio("init", "a.ko"), mtime=0)[:-30], "damaged or cut short"),
        (b"this is text", "no archive"),
        (b"070701" + b"z" * 200, "is damaged"),
    ],
)
def test_a_damaged_initramfs(tmp_path: Path, data: bytes, says: str) -> None:
    found = read_initrd(raw(tmp_path), DictTree({"/i": data}), 1, "/i", FakeRunner())
    assert found is not None
    assert says in found.problem
    assert found.readable


def test_an_initramfs_that_no_program_here_unpacks_is_not_called_damaged(tmp_path: Path) -> None:
    data = b"\x28\xb5\x2f\xfd" + bytes(100)
    found = read_initrd(raw(tmp_path), DictTree({"/i": data}), 1, "/i", FakeRunner())
    assert found is not None
    assert not found.readable
    assert found.problem == "zstd is not installed"


def test_names_of_modules_and_compressions() -> None:
    assert module_name("kernel/drivers/ata/ata_piix.ko.zst") == "ata-piix"
    assert module_name("usr/bin/koala") is None
    assert compression_of(zlib.compress(b"x")) == ""
    assert compression_of(gzip.compress(b"x")) == "gzip"


def test_a_missing_program_is_named_with_its_package() -> None:
    with pytest.raises(LabError, match=r"without mdir \(install mtools\)"):
        look(FakeRunner(), "mdir", "-i", "x")


def userland(files: dict[str, bytes]) -> DictTree:
    return DictTree({"/etc/passwd": b""} | files)


def test_gettys_of_sysvinit_are_those_of_its_table() -> None:
    table = (
        "# T9:23:respawn:/sbin/getty -L ttyS9\n1:2345:respawn:/sbin/getty 38400 tty1\n"
        "h0:2345:respawn:/sbin/getty hvc0\nT1:23:off:/sbin/getty ttyS1\n"
    )
    files = {
        "/sbin/init": b"x",
        "/etc/inittab": table.encode(),
        "/sbin/getty": b"",
        "/bin/login": b"",
    }
    found = read_userland(userland(files), Partition(number=1, start=0, size=1))
    assert (found.init, sorted(found.gettys), found.automatic) == ("sysvinit", ["hvc0"], False)
    assert found.no_login == ""


def test_gettys_of_systemd_are_its_units_and_its_generators() -> None:
    files = {
        "/sbin/init": b"->/lib/systemd/systemd",
        "/lib/systemd/systemd": b"x",
        "/lib/systemd/system-generators/systemd-getty-generator": b"x",
        "/etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service": b"->x",
        "/sbin/agetty": b"",
        "/bin/login": b"",
    }
    part = Partition(number=1, start=0, size=1)
    found = read_userland(userland(files), part)
    assert (found.init, sorted(found.gettys), found.automatic) == ("systemd", ["ttyS0"], True)
    generator = "/etc/systemd/system-generators/systemd-getty-generator"
    masked = read_userland(userland(files | {generator: b"->/dev/null"}), part)
    assert not masked.automatic


def test_only_what_is_mounted_at_boot_counts() -> None:
    table = (
        "# /dev/sda9 / ext4\nproc /proc proc defaults 0 0\nUUID=a / ext4 rw 0 1\n"
        "/dev/sr0 /cdrom iso9660 noauto 0 0\nLABEL=b /srv/ ext4 rw,nofail\nUUID=c none swap sw\n"
        "tmpfs /tmp tmpfs\nshort /x\n"
    )
    files = {"/etc/fstab": table.encode()}
    found = read_userland(userland(files), Partition(number=1, start=0, size=1)).mounts
    assert [(one.device, one.point, one.optional) for one in found] == [
        ("UUID=a", "/", False),
        ("LABEL=b", "/srv", True),
        ("UUID=c", "none", False),
    ]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 200_000)), max_size=5))
def test_sparse_writing_keeps_every_byte(
    tmp_path_factory: pytest.TempPathFactory, runs: list[tuple[bool, int]]
) -> None:
    data = b"".join((b"x" if full else b"\0") * length for full, length in runs)
    path = tmp_path_factory.mktemp("sparse") / "f"
    assert write_sparse(io.BytesIO(data), path) == len(data)
    assert path.read_bytes() == data


def test_sparse_writing_makes_holes_and_knows_when_to_stop(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_sparse(io.BytesIO(bytes(8 << 20)), path)
    assert path.stat().st_blocks == 0
    with pytest.raises(TooBig, match="bigger than 1 MiB"):
        write_sparse(io.BytesIO(bytes(8 << 20)), path, 1 << 20)
