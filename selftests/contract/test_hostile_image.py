"""Images made to harm who looks into them, by the real programs: nothing is run, read or filled
outside the image."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest
from foreign_image import INITRD, KERNEL, MIB, Foreign
from test_preflight_images import imported

from harness.errors import LabError, UsageError
from harness.preflight.files import UnreadableError, find, link_at, names, read_bytes
from harness.preflight.inspect import inspect_image
from harness.preflight.model import Partition
from harness.preflight.opened import opened
from harness.preflight.trees import ExtTree
from harness.remote.command import Command
from harness.remote.local import LocalRunner

RUNNER = LocalRunner()
NAMES = (
    "a b",
    'quo"te',
    "sin'gle",
    "-dash",
    "semi;touch x",
    "$(touch x)",
    "`touch x`",
    "*",
    "two\nlines",
    "two\nrm etc",
    "\x1b[2J",
    "\u202egnp",
)
_CLUSTER = 65536
_ENTRIES = _CLUSTER // 8
_OFFSET = 0x00FFFFFFFFFFFE00


def ext4(tmp_path: Path, *requests: str) -> Path:
    """An ext4 file system with odd names and links, changed by debugfs afterwards."""
    tree, path = tmp_path / "tree", tmp_path / "disk.img"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/passwd").write_text("the image's own\n")
    (tree / "long").symlink_to("x" * 200)
    (tree / "out").symlink_to("../../../../../etc/passwd")
    (tree / "absolute").symlink_to("//etc/passwd")
    (tree / "loop").symlink_to("loop")
    for name in NAMES:
        (tree / name).write_text(name)
    with path.open("wb") as file:
        file.truncate(8 * MIB)
    RUNNER.run(Command.of("mke2fs", "-q", "-t", "ext4", "-d", tree, path))
    for request in requests:
        RUNNER.run(Command.of("debugfs", "-w", "-R", request, path))
    return path


def test_names_and_links_of_an_image_stay_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ext4(tmp_path)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with opened(path, RUNNER) as image:
        tree = ExtTree(image, 0, RUNNER)
        assert set(NAMES) <= set(names(tree, "/"))
        for name in NAMES:
            assert tree.content(tree.entries(tree.top)[name]) == name.encode()
        assert link_at(tree, "/out") == "../../../../../etc/passwd"
        assert read_bytes(tree, "/out") == read_bytes(tree, "/absolute") == b"the image's own\n"
        assert find(tree, "/loop") is None
    assert list(Path().iterdir()) == []


def test_sizes_that_an_image_claims_are_not_believed(tmp_path: Path) -> None:
    path = ext4(tmp_path, "sif /long size 0x100000000000", "sif /etc/passwd size 0x100000000000")
    with opened(path, RUNNER) as image:
        tree = ExtTree(image, 0, RUNNER)
        with pytest.raises(UnreadableError, match="symbolic link of 17592186044416 bytes"):
            find(tree, "/long/x")
        with pytest.raises(UnreadableError, match="too big to look into"):
            read_bytes(tree, "/etc/passwd")


@pytest.mark.parametrize("name", ["-U", "--help", "nbd:localhost:1", "json:{}", "a b;$(touch x)"])
def test_an_images_own_name_is_no_option_and_no_server(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ext4(tmp_path)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    path.rename(name)
    (part,) = inspect_image(Path(name), RUNNER).disk.partitions
    assert isinstance(part, Partition)
    RUNNER.run(Command.of("zstd", "-q", "--rm", "--", here / name))
    assert inspect_image(Path(f"{name}.zst"), RUNNER).packed == "zst"
    assert [one.name for one in here.iterdir()] == [f"{name}.zst"]


@pytest.mark.parametrize("name", ["x" * 300, "nul\0byte", "a/" * 3000])
def test_a_name_that_no_file_can_have(name: str) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        inspect_image(Path(name), RUNNER)


@pytest.mark.parametrize("name", ["6 /etc/x", "6;touch x", "*", "6\n0 /dev/zero"])
def test_a_kernel_that_a_shell_would_misread_is_not_taken_out(name: str, tmp_path: Path) -> None:
    name = name.replace("/", "-")
    foreign = Foreign()
    foreign.files[f"/boot/vmlinuz-{name}"] = foreign.files.pop(KERNEL)
    foreign.files[f"/boot/initrd.img-{name}"] = foreign.files.pop(INITRD)
    del foreign.files["/boot/grub/grub.cfg"]
    found = imported(foreign.make(tmp_path), tmp_path).manifest
    assert (found.kernel, found.initrd) == (None, None)
    assert found.seedable


def full_of_one_block(path: Path, tables: int) -> None:
    """A sound qcow2 image of 384 KiB, all of whose blocks are the same one: 512 MiB a table."""
    size = tables * _ENTRIES * _CLUSTER
    options = ("-o", "refcount_bits=64", path, size)
    RUNNER.run(Command.of("qemu-img", "create", "-q", "-f", "qcow2", *options))
    RUNNER.run(Command.of("qemu-io", "-c", "write -P 1 0 64k", path))
    data = bytearray(path.read_bytes())

    def number(at: int) -> int:
        return int(struct.unpack_from(">Q", data, at)[0]) & _OFFSET

    first = number(40)
    second = number(first)
    block, counts = number(second), number(number(48))
    struct.pack_into(f">{_ENTRIES}Q", data, second, *[block] * _ENTRIES)
    struct.pack_into(f">{tables}Q", data, first, *[second] * tables)
    struct.pack_into(">Q", data, counts + 8 * (second // _CLUSTER), tables)
    struct.pack_into(">Q", data, counts + 8 * (block // _CLUSTER), tables * _ENTRIES)
    path.write_bytes(data)


def test_an_image_that_would_fill_the_disk_is_not_converted(tmp_path: Path) -> None:
    path = tmp_path / "bomb.qcow2"
    free = shutil.disk_usage(tmp_path).free
    full_of_one_block(path, free // (_ENTRIES * _CLUSTER) + 8)
    with pytest.raises(LabError, match=r"no room to convert .*bomb\.qcow2"):
        inspect_image(path, RUNNER)
