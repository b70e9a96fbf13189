"""Writing raw images with holes where they hold nothing."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Protocol

from harness.units import human_size

BLOCK = 1 << 16
_ZEROS = bytes(BLOCK)


class TooBig(ValueError):
    """There is more than may be; the message says how much that is."""


class Source(Protocol):
    """Something to read from: a file, a decompressor, a web server's answer."""

    def read(self, size: int, /) -> bytes:
        """Up to *size* bytes; empty at the end."""
        ...


def write_sparse(source: Source, path: Path, limit: int | None = None) -> int:
    """Copy *source* into the new file *path*, and return its size in bytes.

    `TooBig` as soon as more than *limit* bytes came: a small packed file can hold a huge one.
    """
    size = 0
    with path.open("wb") as file:
        while block := _full_block(source):
            size += len(block)
            if limit is not None and size > limit:
                msg = f"it is bigger than {human_size(limit)}"
                raise TooBig(msg)
            _write_or_skip(file, block)
        file.truncate(size)
    return size


def _full_block(source: Source) -> bytes:
    parts = bytearray()
    while len(parts) < BLOCK and (part := source.read(BLOCK - len(parts))):
        parts += part
    return bytes(parts)


def _write_or_skip(file: BinaryIO, block: bytes) -> None:
    if block == _ZEROS[: len(block)]:
        file.seek(len(block), 1)
    else:
        file.write(block)
