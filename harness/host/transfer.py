"""Ways to bring an image's used blocks to a block device on a host.

Two ways, one interface. `SshTransfer` works on any host: the used blocks, packed with zstd
(gzip where the host has none), over the connection there is. `HotplugTransfer` is for
testboxes: QEMU lends dom0 the image as a disk, and nothing has to be decrypted or unpacked
by an emulated processor. docs/adr/0005 has the measurements.
"""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from harness.guest.cache import Image
from harness.guest.extents import Extent
from harness.remote.command import Command, Runner
from harness.remote.local import LocalRunner

SEND_TIMEOUT = timedelta(minutes=15)
ALIGNMENT = 256 << 10
"""Bytes. Whole blocks of a thin pool need no zeroing before they are written."""


class Transfer(Protocol):
    """Copies an image to a device."""

    @property
    def name(self) -> str:
        """For logs and results."""
        ...

    def send(self, image: Image, device: str) -> None:
        """Copy the used blocks of *image* to *device* on the host; `LabError` if it fails."""
        ...


class SshTransfer:
    """Over SSH, packed; the pack is kept beside the image for the next host."""

    def __init__(self, host: Runner, local: LocalRunner) -> None:
        self._host = host
        self._local = local

    @property
    def name(self) -> str:
        """``ssh-zstd`` or ``ssh-gzip``."""
        return f"ssh-{self._packer()}"

    def send(self, image: Image, device: str) -> None:
        """Stream the pack into one ``dd`` per extent."""
        extents = aligned(image.manifest.extents, image.manifest.image_size)
        packer = self._packer()
        pack = self._pack(image, extents, packer)
        with pack.open("rb") as stream:
            script = unpacking(packer, device, extents)
            self._host.run(Command.shell(script), timeout=SEND_TIMEOUT, stdin=stream)

    def _packer(self) -> str:
        found = self._host.run(Command.shell("command -v zstd gzip || :")).stdout
        return "zstd" if "zstd" in found else "gzip"

    def _pack(self, image: Image, extents: Sequence[Extent], packer: str) -> Path:
        pack = image.directory / f"root.{packer}"
        if not pack.exists():
            temporary = pack.with_suffix(".new")
            script = f"{packer} -3 -c > {shlex.quote(str(temporary))}"
            with image.path.open("rb") as file:
                source = io.BufferedReader(ExtentReader(file, extents), buffer_size=1 << 20)
                self._local.run(Command.shell(script), timeout=SEND_TIMEOUT, stdin=source)
            temporary.replace(pack)
        return pack


class DiskPlug(Protocol):
    """Lends a host a disk for a while (a testbox does, through QEMU)."""

    def plug(self, name: str, image: Path) -> None:
        """Plug *image* in as a SCSI disk, read only, with *name* as its serial number."""
        ...

    def unplug(self, name: str) -> None:
        """Take it out again."""
        ...


class HotplugTransfer:
    """As a disk that is plugged in for the length of the copy."""

    name = "hotplug"

    def __init__(self, host: Runner, plug: DiskPlug) -> None:
        self._host = host
        self._plug = plug

    def send(self, image: Image, device: str) -> None:
        """Plug the image in, copy extent by extent in dom0, unplug it."""
        extents = aligned(image.manifest.extents, image.manifest.image_size)
        serial = f"xf{image.manifest.key}"
        self._plug.plug(serial, image.path)
        try:
            script = _FIND_DISK.format(serial=serial) + copying("$disk", device, extents)
            self._host.run(Command.shell(script), timeout=SEND_TIMEOUT)
        finally:
            self._plug.unplug(serial)


_FIND_DISK = """\
disk=
for try in $(seq 100); do
    disk=$(lsblk -dnpo NAME,SERIAL | awk -v s={serial} '$2 == s {{print $1}}')
    [ -n "$disk" ] && break
    sleep 0.1
done
[ -n "$disk" ] || {{ echo "the disk {serial} did not appear" >&2; exit 1; }}
"""


class ExtentReader(io.RawIOBase):
    """Reads the extents of a file one after the other, as if nothing were between them."""

    def __init__(self, file: io.BufferedReader, extents: Iterable[Extent]) -> None:
        super().__init__()
        self._file = file
        self._todo = list(extents)
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill *buffer* from the current extent."""
        while self._todo and self._at >= self._todo[0].length:
            self._todo.pop(0)
            self._at = 0
        if not self._todo:
            return 0
        extent = self._todo[0]
        size = min(len(buffer), extent.length - self._at)
        self._file.seek(extent.offset + self._at)
        data = self._file.read(size)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def aligned(extents: Iterable[Extent], size: int) -> list[Extent]:
    """*extents* widened to whole thin-pool blocks, those that then touch made one."""
    found: list[Extent] = []
    for extent in sorted(extents):
        start = extent.offset // ALIGNMENT * ALIGNMENT
        end = min(size, -(-extent.end // ALIGNMENT) * ALIGNMENT)
        if found and start <= found[-1].end:
            last = found.pop()
            start, end = last.offset, max(end, last.end)
        found.append(Extent(start, end - start))
    return found


def unpacking(packer: str, device: str, extents: Iterable[Extent]) -> str:
    """The script that unpacks standard input onto *device*.

    dd is content with a pipe that ends early, and a pipeline's status is that of its last
    command, so the packer says on a channel of its own that all was well with the pack.
    """
    return (
        f"whole=$({{ {{ {packer} -dc && echo whole >&3; }} | {{ {_writes('', device, extents)} }} "
        '>&2; } 3>&1); [ "$whole" = whole ] || '
        '{ echo "the packed image did not arrive whole" >&2; exit 1; }; '
        f"sync {shlex.quote(device)}"
    )


def copying(source: str, device: str, extents: Iterable[Extent]) -> str:
    """The script that copies *extents* of *source* (a word of the shell's) to *device*."""
    writes = _writes(f'if="{source}"', device, extents)
    return f"{writes} sync {shlex.quote(device)}"


def _writes(source: str, device: str, extents: Iterable[Extent]) -> str:
    """One dd for each extent; without *source* they share standard input.

    ``count_bytes`` with ``fullblock`` makes dd read exactly its share of a pipe (dd(1)).
    """
    out = shlex.quote(device)
    skip = "skip=$1 " if source else ""
    flags = "fullblock,count_bytes" + (",skip_bytes" if source else "")
    copy = (
        f"copy() {{ dd {source} of={out} bs=1M {skip}seek=$1 count=$2 iflag={flags} "
        f"oflag=seek_bytes conv=notrunc status=none; }}; "
    )
    return copy + " ".join(f"copy {extent.offset} {extent.length};" for extent in extents)
