"""A cpio archive as the kernel unpacks it: newc (Documentation/driver-api/early-userspace).

An initramfs may be several archives one after the other, each packed or not, padded to four bytes;
files of a later one replace those of an earlier one.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import PurePosixPath

_FILE, _DIRECTORY = 0o100000, 0o040000
_END = "TRAILER!!!"


def append_files(initramfs: bytes, files: Mapping[str, str]) -> bytes:
    """*initramfs* and *files* in it: absolute paths and contents, scripts (``#!``) executable."""
    padding = b"\0" * (-len(initramfs) % 4)
    return initramfs + padding + gzip.compress(archive(files), mtime=0)


def archive(files: Mapping[str, str]) -> bytes:
    """The archive, with the directories that its files need."""
    out, made = bytearray(), set[str]()
    for path, text in files.items():
        place = PurePosixPath(path).relative_to("/")
        for parent in reversed(place.parents[:-1]):
            if str(parent) not in made:
                made.add(str(parent))
                out += _member(len(made), str(parent), _DIRECTORY | 0o755, b"")
        made.add(str(place))
        mode = 0o755 if text.startswith("#!") else 0o644
        out += _member(len(made), str(place), _FILE | mode, text.encode())
    return bytes(out + _member(0, _END, 0, b""))


def _member(inode: int, name: str, mode: int, data: bytes) -> bytes:
    raw = name.encode() + b"\0"
    links = 2 if mode & _DIRECTORY else 1
    # ino, mode, uid, gid, nlink, mtime, filesize, device and rdevice (4), namesize, check
    fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(raw), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + raw
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)
