"""Sending an image: the scripts that a host runs are really run here, on files for devices."""

from __future__ import annotations

import io
import os
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import CommandFailed
from harness.guest.cache import IMAGE, Image
from harness.guest.extents import Extent, data_extents
from harness.guest.manifest import BootFile, Manifest
from harness.host.transfer import (
    ALIGNMENT,
    ExtentReader,
    HotplugTransfer,
    SshTransfer,
    aligned,
    copying,
    unpacking,
)
from harness.remote.command import Command, CommandResult
from harness.remote.fake import FakeRunner
from harness.remote.local import LocalRunner

KIB = 1 << 10
MIB = 1 << 20
SIZE = 8 * MIB
# Odd places and lengths: below and above dd's block, across a thin block's border, at the end.
PIECES = ((0, 1), (300 * KIB, 5), (MIB - 3, 6), (3 * MIB, 2 * MIB + 17), (SIZE - 9, 9))
EXTENTS = st.lists(
    st.builds(Extent, st.integers(0, SIZE - 1), st.integers(1, MIB)).filter(
        lambda extent: extent.end <= SIZE
    ),
    max_size=12,
)


def sparse_image(directory: Path, seed: int = 1) -> Image:
    """A sparse file of random data here and there, with its manifest."""
    directory.mkdir(parents=True)
    chance = random.Random(seed)
    with (directory / IMAGE).open("wb") as file:
        file.truncate(SIZE)
        for offset, length in PIECES:
            file.seek(offset)
            file.write(chance.randbytes(length))
    manifest = Manifest(
        key="0123456789abcdef",
        spec={},
        mirror={},
        tools={},
        packages={},
        kernel=BootFile(path="/boot/vmlinuz", size=1, sha256=""),
        initrd=BootFile(path="/boot/initrd.img", size=1, sha256=""),
        image_size=SIZE,
        image_mtime_ns=0,
        extents=tuple(data_extents(directory / IMAGE)),
        build_seconds=1.0,
    )
    return Image(directory=directory, manifest=manifest)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return sparse_image(tmp_path / "it's an image")


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """Empty, as a new thin volume is; its name needs quoting."""
    path = tmp_path / "dev ice$x"
    path.touch()
    os.truncate(path, SIZE)
    return path


@pytest.fixture
def runner() -> LocalRunner:
    return LocalRunner()


class TestAligned:
    """Extents widened to a thin pool's blocks."""

    @given(EXTENTS)
    def test_covers_all_in_whole_blocks_in_order_without_touching(
        self, extents: list[Extent]
    ) -> None:
        found = aligned(extents, SIZE)
        blocks = {
            block
            for extent in extents
            for block in range(extent.offset // ALIGNMENT, (extent.end - 1) // ALIGNMENT + 1)
        }
        assert sum(extent.length for extent in found) == len(blocks) * ALIGNMENT
        for extent in found:
            assert extent.offset % ALIGNMENT == extent.length % ALIGNMENT == 0
        for first, second in pairwise(found):
            assert first.end < second.offset
        for extent in extents:
            assert any(f.offset <= extent.offset and extent.end <= f.end for f in found)

    @given(EXTENTS)
    def test_once_is_enough(self, extents: list[Extent]) -> None:
        found = aligned(extents, SIZE)
        assert aligned(found, SIZE) == found

    def test_goes_not_beyond_the_end(self) -> None:
        assert aligned([Extent(0, 10)], 100) == [Extent(0, 100)]


@given(
    st.lists(st.builds(Extent, st.integers(0, 400), st.integers(1, 100)), max_size=6),
    st.integers(1, 150),
)
def test_the_reader_gives_the_extents_and_nothing_between(extents: list[Extent], size: int) -> None:
    data = bytes(range(250)) * 2
    reader = ExtentReader(io.BufferedReader(io.BytesIO(data)), extents)
    found = b"".join(iter(lambda: reader.read(size) or b"", b""))
    assert found == b"".join(data[extent.offset : extent.end] for extent in extents)


@pytest.mark.parametrize("packer", ["zstd", "gzip"])
def test_what_comes_through_a_pipe_is_the_image(
    image: Image, device: Path, runner: LocalRunner, packer: str
) -> None:
    host = FakeHostOf(runner, packer)
    transfer = SshTransfer(host, runner)
    assert transfer.name == f"ssh-{packer}"
    transfer.send(image, str(device))
    assert device.read_bytes() == image.path.read_bytes()
    assert [e for e in data_extents(device) if e.length > 6 * MIB] == [], "holes stay holes"


def test_the_pack_is_made_once(image: Image, device: Path, runner: LocalRunner) -> None:
    transfer = SshTransfer(FakeHostOf(runner, "zstd"), runner)
    transfer.send(image, str(device))
    packs = list(image.directory.glob("root.zstd*"))
    stamp = packs[0].stat().st_mtime_ns
    os.truncate(device, 0)
    os.truncate(device, SIZE)
    transfer.send(image, str(device))
    assert packs[0].stat().st_mtime_ns == stamp
    assert device.read_bytes() == image.path.read_bytes()


@pytest.mark.parametrize("packer", ["zstd", "gzip"])
def test_a_pack_that_ends_early_is_no_success(
    image: Image, device: Path, runner: LocalRunner, packer: str
) -> None:
    SshTransfer(FakeHostOf(runner, packer), runner).send(image, str(device))
    pack = image.directory / f"root.{packer}"
    script = unpacking(packer, str(device), aligned(image.manifest.extents, SIZE))
    for cut in (0, 10, pack.stat().st_size - 5):
        with pytest.raises(CommandFailed, match="did not arrive whole"):
            runner.run(Command.shell(script), stdin=pack.read_bytes()[:cut])


def test_a_device_that_cannot_be_written_is_no_success(
    image: Image, device: Path, runner: LocalRunner
) -> None:
    SshTransfer(FakeHostOf(runner, "zstd"), runner).send(image, str(device))
    pack = (image.directory / "root.zstd").read_bytes()
    script = unpacking("zstd", "/dev/full", aligned(image.manifest.extents, SIZE))
    with pytest.raises(CommandFailed, match="No space left"):
        runner.run(Command.shell(script), stdin=pack)


def test_what_is_copied_from_a_disk_is_the_image(
    image: Image, device: Path, runner: LocalRunner
) -> None:
    script = copying("$disk", str(device), aligned(image.manifest.extents, SIZE))
    command = Command(("sh", "-ec", f"disk=$1; {script}", "sh", str(image.path)))
    runner.run(command)
    assert device.read_bytes() == image.path.read_bytes()


def test_a_disk_that_is_gone_is_no_success(device: Path, runner: LocalRunner) -> None:
    script = copying("$disk", str(device), [Extent(0, ALIGNMENT)])
    with pytest.raises(CommandFailed, match="No such file"):
        runner.run(Command.shell(f"disk=/nonexistent; {script}"))


class TestHotplug:
    """The disk is lent for the copy, and not longer."""

    def test_well(self, image: Image) -> None:
        plug, host = Plug(), FakeRunner()
        host.on(r"(?s)lsblk.*dd if=.*sync /dev/vg/golden")
        HotplugTransfer(host, plug).send(image, "/dev/vg/golden")
        assert plug.did == ["plug xf0123456789abcdef", "unplug xf0123456789abcdef"]
        assert "xf0123456789abcdef" in host.lines[0]

    def test_when_the_copy_fails(self, image: Image) -> None:
        plug, host = Plug(), FakeRunner()
        host.on("lsblk", exit_status=1, stderr="the disk did not appear")
        with pytest.raises(CommandFailed, match="did not appear"):
            HotplugTransfer(host, plug).send(image, "/dev/vg/golden")
        assert plug.did[-1] == "unplug xf0123456789abcdef"


class Plug:
    def __init__(self) -> None:
        self.did: list[str] = []

    def plug(self, name: str, image: Path) -> None:
        self.did.append(f"plug {name}")

    def unplug(self, name: str) -> None:
        self.did.append(f"unplug {name}")


class FakeHostOf(LocalRunner):
    """This machine as a host that has only one of the packers."""

    def __init__(self, runner: LocalRunner, packer: str) -> None:
        super().__init__("host")
        self._packer = packer

    def run(self, command: Command, **options: Any) -> CommandResult:  # noqa: ANN401
        if "command -v zstd gzip" in str(command):
            command = Command.shell(f"command -v {self._packer}")
        return super().run(command, **options)
