"""What is in an initramfs: is the driver for the root disk there?

Linux: Documentation/driver-api/early-userspace/buffer-format.rst. It is a row of cpio archives,
each packed or not; processor microcode comes first, in one that is not.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.preflight.files import Tree, find
from harness.preflight.kernel import INTERESTING
from harness.preflight.model import Initrd
from harness.preflight.opened import RawImage
from harness.preflight.unpack import NoProgram, compression_of, decompress
from harness.remote.command import Runner

_MAGICS = (b"070701", b"070702")
_HEADER = 110
_FIELDS = re.compile(rb"[0-9A-Fa-f]{110}")
"""int() takes signs, too, and a member of less than no bytes would be read for ever."""
_END = "TRAILER!!!"
_MODULE = re.compile(r"(?:^|/)(?P<name>[^/]+)\.ko(?:\.(?:xz|zst|gz))?$")
_MOST_ARCHIVES = 16


@dataclass(frozen=True, kw_only=True)
class _Member:
    """A file in a cpio archive."""

    name: str
    content: bytes


class _Broken(Exception):
    """An archive ends before its end; the message says how."""


def module_name(path: str) -> str | None:
    """``kernel/drivers/block/xen-blkfront.ko.xz`` -> ``xen-blkfront``; None for no module."""
    match = _MODULE.search(path)
    return match["name"].replace("_", "-") if match else None


def read_initrd(
    image: RawImage, tree: Tree, partition: int, path: str, runner: Runner
) -> Initrd | None:
    """The initramfs at *path*; None when there is no such file."""
    found = find(tree, path)
    if found is None or not found[1].is_file:
        return None
    real, node = found
    data = tree.content(node)
    reading = _Reading(image, runner)
    problem, readable = "", True
    try:
        reading.read(data)
    except _Broken as error:
        problem = str(error)
    except NoProgram as error:
        problem, readable = error.message, False
    return Initrd(
        partition=partition,
        path=real,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        compression=reading.compression or "none",
        members=reading.members,
        modules=frozenset(reading.modules & INTERESTING),
        module_count=len(reading.modules),
        builtin=frozenset(reading.builtin & INTERESTING),
        problem=problem,
        readable=readable,
    )


class _Reading:
    """The archives of one initramfs, one after the other."""

    def __init__(self, image: RawImage, runner: Runner) -> None:
        self._image = image
        self._runner = runner
        self.compression = ""
        self.members = 0
        self.modules: set[str] = set()
        self.builtin: set[str] = set()

    def read(self, data: bytes) -> None:
        for _ in range(_MOST_ARCHIVES):
            data = data.lstrip(b"\0")
            if not data:
                break
            if data.startswith(_MAGICS):
                data = data[self._archive(data) :]
                continue
            kind = compression_of(data)
            if not kind or kind == "none":
                msg = "there is something in it that is no archive"
                raise _Broken(msg)
            self.compression = kind
            plain, whole = decompress(data, kind, self._runner, self._image.directory)
            self._inner(plain, whole=whole)
            return
        if not self.members:
            msg = "it is empty"
            raise _Broken(msg)

    def _inner(self, plain: bytes, *, whole: bool) -> None:
        """What was packed: usually all the rest."""
        if not whole:
            try:
                self._archive(plain)
            except _Broken as error:
                msg = "it is damaged or cut short"
                raise _Broken(msg) from error
            return
        rest = plain
        for _ in range(_MOST_ARCHIVES):
            if not rest.startswith(_MAGICS):
                break
            rest = rest[self._archive(rest) :].lstrip(b"\0")

    def _archive(self, data: bytes) -> int:
        """Take note of one archive's members; its length in bytes."""
        end = 0
        for member, end in _members(data):  # noqa: B007  # the last one counts
            self.members += 1
            if name := module_name(member.name):
                self.modules.add(name)
            if member.name.endswith("/modules.builtin"):
                listed = member.content.decode(errors="replace").splitlines()
                self.builtin |= {name for line in listed if (name := module_name(line))}
        return end


def _members(data: bytes) -> Iterator[tuple[_Member, int]]:
    """The members of the archive at the start of *data*, each with where it ends."""
    at = 0
    while True:
        header = data[at : at + _HEADER]
        if len(header) < _HEADER or not header.startswith(_MAGICS):
            msg = "it ends in the middle of an archive"
            raise _Broken(msg)
        if not _FIELDS.fullmatch(header):
            msg = "an archive in it is damaged"
            raise _Broken(msg)
        size, name_size = int(header[54:62], 16), int(header[94:102], 16)
        name = data[at + _HEADER : at + _HEADER + name_size - 1].decode(errors="replace")
        start = _aligned(at + _HEADER + name_size)
        end = start + size
        if end > len(data):
            msg = "it ends in the middle of an archive"
            raise _Broken(msg)
        at = _aligned(end)
        if name == _END:
            yield _Member(name=name, content=b""), min(at, len(data))
            return
        yield _Member(name=name, content=data[start:end]), at


def _aligned(offset: int) -> int:
    return -(-offset // 4) * 4
