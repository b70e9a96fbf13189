"""Where an answer goes while it comes in: a file that always says what is missing from it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Protocol

from harness.evidence.clip import Clip
from harness.evidence.mask import Mask
from harness.evidence.model import Item


class Sink(Protocol):
    """Takes an answer. Its `OSError` are those of writing."""

    def add(self, data: bytes) -> None:
        """More of it."""
        ...

    def close(self, remark: str) -> int:
        """That was all; *remark* is said in the file. Bytes that are not in it."""
        ...


class TextSink:
    """Keeps both ends of a text, and writes them at the end, without secrets."""

    def __init__(self, path: Path, kept: int, mask: Mask) -> None:
        self._path = path
        self._clip = Clip(kept)
        self._mask = mask

    def add(self, data: bytes) -> None:
        """More of it."""
        self._clip.add(data)

    def close(self, remark: str) -> int:
        """Write the file; none if there is nothing to say."""
        head, cut = self._clip.head, self._clip.cut
        parts = [self._mask(head)]
        if cut:
            gap = f"\n[xenflight: {cut} bytes cut out here]\n".encode()
            parts = [self._mask.head(head), gap, self._mask.tail(self._clip.tail)]
        if remark:
            parts.append(f"\n[xenflight: {self._mask.text(remark)}]\n".encode())
        if any(parts):
            with _private(self._path) as file:
                file.writelines(parts)
        return cut


class PackedSink:
    """Writes what is binary as it comes: nothing can be masked in it, or said."""

    def __init__(self, path: Path) -> None:
        self._file = _private(path)

    def add(self, data: bytes) -> None:
        """More of it."""
        self._file.write(data)

    def close(self, remark: str) -> int:
        """Close the file."""
        del remark
        self._file.close()
        return 0


def sink_for(item: Item, directory: Path, mask: Mask) -> Sink:
    """Where the answer to *item* goes; `OSError` when that can't be."""
    path = directory / item.file
    path.unlink(missing_ok=True)
    return PackedSink(path) if item.packed else TextSink(path, item.kept, mask)


def _private(path: Path) -> BinaryIO:
    """Guests' memory and hosts' logs are for who runs the flight, until they publish them."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
