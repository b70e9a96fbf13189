"""What e2fsprogs must be told of a file system that is only a part of a device."""

from __future__ import annotations


def at_offset(device: str, offset: int) -> str:
    """The file system that begins *offset* bytes into *device*, as debugfs(8) and e2fsck take it.

    What stands behind a question mark goes to the library's I/O manager (ext2fs_open2 in
    e2fsprogs, "io_options"). *device* itself must have none.
    """
    return f"{device}?offset={offset}" if offset else device
