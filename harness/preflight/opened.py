"""From the file that somebody gives to raw bytes of a disk: packed or not, qcow2 or not.

The file itself is only ever read.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

from harness.errors import LabError, UsageError
from harness.preflight.sparse import TooBig, write_sparse
from harness.preflight.tools import look
from harness.progress import Progress, silent
from harness.remote.command import Command, Runner
from harness.units import human_size

_PACKED = {b"\x1f\x8b": "gz", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zst", b"BZh": "bz2"}
# Files that people mistake for disk images. A raw image has no magic number of its own.
_OTHER = {
    b"PK\x03\x04": "a ZIP archive",
    b"%PDF": "a PDF document",
    b"\x7fELF": "a program",
    b"7z\xbc\xaf": "a 7z archive",
    b"!<arch>": "a Debian package or an archive",
}
_SECTOR = 512
_SMALLEST = 1 << 20
_RESERVE = 256 << 20
"""Bytes that unpacking leaves free on the disk."""
_UNPACK_TIMEOUT = timedelta(minutes=20)


@dataclass(frozen=True, kw_only=True)
class RawImage:
    """The bytes of a disk in a file. *directory* is a place for scratch files."""

    path: Path
    directory: Path
    format: str
    packed: str
    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of it; fewer at its end."""
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(length)


def check_file(path: Path) -> None:
    """`UsageError` when *path* is nothing that could be an image."""
    if not _there(path):
        msg = f"there is no file {path}"
        raise UsageError(msg)
    if not path.is_file() and not path.is_block_device():
        msg = f"{path} is a {'directory' if path.is_dir() else 'special file'}, not an image"
        raise UsageError(msg)
    try:
        head = _head(path)
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror}"
        raise UsageError(msg) from error
    if not head:
        msg = f"{path} is empty"
        raise UsageError(msg)
    for magic, what in _OTHER.items():
        if head.startswith(magic):
            msg = f"{path} is {what}, not a disk image"
            raise UsageError(msg)


def _there(path: Path) -> bool:
    """Whether there is something of that name; of one that no file can have, there is not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


@contextmanager
def opened(path: Path, runner: Runner, *, limit: int | None = None) -> Iterator[RawImage]:
    """The disk in *path*, as raw bytes for as long as the context lasts.

    A raw image is read where it is; anything else is unpacked to a temporary file.
    `UsageError` says what is wrong with the file; *limit* is the most its disk may have, in bytes.
    """
    check_file(path)
    with tempfile.TemporaryDirectory(prefix="xenflight-inspect-") as name:
        directory = Path(name)
        target = directory / "disk.raw"
        found, packed, kind = unpacked(path, target, runner, limit=limit)
        # A name without characters that have a meaning for debugfs and mtools.
        link = directory / "disk"
        link.symlink_to(found.absolute())
        size = _size_of(link)
        yield RawImage(path=link, directory=directory, format=kind, packed=packed, size=size)


def unpacked(
    path: Path,
    target: Path,
    runner: Runner,
    *,
    limit: int | None = None,
    progress: Progress = silent,
) -> tuple[Path, str, str]:
    """The raw bytes of *path*: in itself, or else written to *target*; packing and format.

    `UsageError` for what is damaged, is no image, or is bigger than *limit* bytes.
    """
    packed = packing(path)
    # Absolute, for programs take "-x" for an option, and qemu-img "nbd:host:1" for a server.
    inner = path.absolute()
    if packed:
        progress("unpacking the image", None)
        inner = target.with_suffix(".unpacked")
        _unpack(path, inner, packed, runner, limit)
    kind, size = _format(inner, path, runner)
    if limit is not None and size > limit:
        msg = f"the disk in {path} has {human_size(size)}, more than {human_size(limit)}"
        raise UsageError(msg)
    if kind == "raw":
        _check_raw(inner, path)
        return inner if packed else path, packed, kind
    progress(f"converting the image from {kind}", None)
    _check_whole(inner, kind, path, runner)
    _check_room(inner, target, path, runner)
    _convert(inner, target, kind, path, runner)
    return target, packed, kind


def packing(path: Path) -> str:
    """How the file is packed, by its first bytes; empty when it is not."""
    head = _head(path)
    return next((name for magic, name in _PACKED.items() if head.startswith(magic)), "")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


def _size_of(path: Path) -> int:
    with path.open("rb") as file:
        return file.seek(0, 2)


def _unpack(path: Path, target: Path, packed: str, runner: Runner, limit: int | None) -> None:
    room = max(shutil.disk_usage(target.parent).free - _RESERVE, 0)
    most = room if limit is None else min(room, limit)
    try:
        if packed == "zst":
            _unpack_zstd(path, target, runner, most)
            return
        with _reader(path, packed) as source:
            write_sparse(source, target, most)
    except TooBig as error:
        if limit is None or room < limit:
            msg = f"no room to unpack {path}: it needs more than {human_size(room)}"
            raise LabError(msg, hint=f"make room in {target.parent}") from error
        msg = f"the disk in {path} is more than {human_size(limit)}"
        raise UsageError(msg) from error
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            msg = f"cannot unpack {path}: {error.strerror}"
            raise LabError(msg) from error
        msg = f"{path} is damaged or cut short: {str(error).rstrip('.')}"
        raise UsageError(msg) from error


def _reader(path: Path, packed: str) -> BinaryIO:
    openers: dict[str, Callable[[Path], object]] = {
        "gz": gzip.open,
        "xz": lzma.open,
        "bz2": bz2.open,
    }
    return cast(BinaryIO, openers[packed](path))


def _unpack_zstd(path: Path, target: Path, runner: Runner, most: int) -> None:
    # zstd itself writes holes. Its list tells the size, unless it was packed from a pipe; the
    # file size limit (in blocks of 512 bytes) ends what would fill the disk.
    script = 'ulimit -f "$3"; exec zstd -d -q -f --sparse "$1" -o "$2"'
    blocks = most // _SECTOR + 1
    command = Command(("sh", "-ec", script, "sh", str(path.absolute()), str(target), str(blocks)))
    result = runner.run(command, timeout=_UNPACK_TIMEOUT, check=False)
    if target.exists() and target.stat().st_size >= most:
        msg = "it is bigger"
        raise TooBig(msg)
    if not result.ok:
        said = result.stderr.strip().splitlines() or ["it did not end well"]
        msg = f"zstd: {said[-1]}"
        raise EOFError(msg)


def _format(inner: Path, path: Path, runner: Runner) -> tuple[str, int]:
    """The image's format and the size of the disk in it, in bytes."""
    result = look(runner, "qemu-img", "info", "--output=json", inner, check=False)
    if not result.ok:
        said = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        said = said.removeprefix("qemu-img: ").replace(str(inner), path.name)
        msg = f"{path} is no image that can be read: {said}"
        raise UsageError(msg)
    found = json.loads(result.stdout)
    if backing := found.get("backing-filename"):
        msg = f"{path} is only an overlay: it needs {backing}, which is not part of it"
        raise UsageError(msg, hint="make it whole: qemu-img convert -O qcow2 OLD NEW")
    _check_alone(found, inner, path)
    if found.get("encrypted"):
        msg = f"{path} is encrypted"
        raise UsageError(msg)
    return found["format"], found["virtual-size"]


def _check_alone(found: Mapping[str, Any], inner: Path, path: Path) -> None:
    """Refuse an image that has its data elsewhere: it could name any file of this machine."""
    more = found.get("format-specific", {}).get("data", {})
    others = [extent.get("filename", "") for extent in more.get("extents", ())]
    others += [more.get("data-file", "")]
    wanted = [name for name in others if name and Path(name) != inner]
    if wanted:
        msg = f"{path} is only a description: its data would be in {wanted[0]}"
        raise UsageError(msg, hint="convert it first: qemu-img convert -O qcow2 OLD NEW")


def _check_raw(inner: Path, path: Path) -> None:
    """Refuse what is surely no disk: nothing in a raw image says that it is one."""
    size = _size_of(inner)
    with inner.open("rb") as file:
        head = file.read(_SMALLEST)
    what = ""
    if head[257:262] == b"ustar":
        what = "is a tar archive"
    elif size < _SMALLEST:
        what = f"has only {human_size(size)}: too little for a disk"
    elif size % _SECTOR:
        what = f"has {size} bytes, which is no whole number of sectors: is it cut short?"
    if what:
        msg = f"{path} {what}"
        raise UsageError(msg, hint="give a raw, qcow2, vmdk, vdi or vhd image, packed or not")


def _check_whole(inner: Path, kind: str, path: Path, runner: Runner) -> None:
    """`UsageError` when it is cut short or damaged: converting takes what is missing for zeros."""
    if kind == "vdi" and _vdi_is_cut(inner):
        msg = f"{path} is cut short: it names more blocks than it has"
        raise UsageError(msg)
    command = ("qemu-img", "check", "-f", kind, "--output=json", inner)
    result = look(runner, *command, check=False, timeout=_UNPACK_TIMEOUT)
    if result.exit_status == _NO_CHECK:
        return
    if result.exit_status not in {0, _ONLY_LEAKS}:
        said = (result.stderr.strip().splitlines() or ["its tables are damaged"])[0]
        said = said.removeprefix("qemu-img: ").replace(str(inner), path.name)
        msg = f"{path} is damaged or cut short: {said}"
        raise UsageError(msg)


def _check_room(inner: Path, target: Path, path: Path, runner: Runner) -> None:
    """`LabError` when its data would fill the disk: many blocks of it may be one in the file."""
    command = ("qemu-img", "measure", "-O", "qcow2", "--output=json", inner)
    result = look(runner, *command, timeout=_UNPACK_TIMEOUT)
    need = json.loads(result.stdout)["required"]
    if need > max(shutil.disk_usage(target.parent).free - _RESERVE, 0):
        msg = f"no room to convert {path}: it needs {human_size(need)}"
        raise LabError(msg, hint=f"make room in {target.parent}")


def _vdi_is_cut(inner: Path) -> bool:
    """qemu-img does not look (VirtualBox, VDICore.h: where the blocks begin, how big, how many)."""
    with inner.open("rb") as file:
        head = file.read(_SECTOR)
    (begin,) = struct.unpack_from("<I", head, 0x158)
    (block,) = struct.unpack_from("<I", head, 0x178)
    (count,) = struct.unpack_from("<I", head, 0x184)
    return bool(begin + block * count > _size_of(inner))


# qemu-img(1), check.
_NO_CHECK, _ONLY_LEAKS = 63, 3


def _convert(inner: Path, target: Path, kind: str, path: Path, runner: Runner) -> None:
    command = ("qemu-img", "convert", "-f", kind, "-O", "raw", "-S", "64k", inner, target)
    result = look(runner, *command, check=False, timeout=_UNPACK_TIMEOUT)
    if not result.ok:
        said = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        msg = f"{path} cannot be read to its end: {said.removeprefix('qemu-img: ')}"
        raise UsageError(msg, hint="is it cut short?")
