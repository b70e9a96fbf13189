"""What e2fsprogs must be told: of a file system that is a part of a device, and of names."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"(?:/[A-Za-z0-9_@.:+~-]+)+")


def is_plain(path: str) -> bool:
    """Whether debugfs, and a shell, read the absolute *path* as one word that says what it means.

    debugfs ends a request at a newline and an argument at a space; names in an image may have both.
    """
    return bool(_PLAIN.fullmatch(path)) and not {".", ".."} & set(path.split("/"))


def at_offset(device: str, offset: int) -> str:
    """The file system that begins *offset* bytes into *device*, as debugfs(8) and e2fsck take it.

    What stands behind a question mark goes to the library's I/O manager (ext2fs_open2 in
    e2fsprogs, "io_options"). *device* itself must have none.
    """
    return f"{device}?offset={offset}" if offset else device
