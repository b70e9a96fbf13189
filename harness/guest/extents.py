"""The parts of a sparse file that hold data: only these need to be sent to a host."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Reading a little that is empty costs less than one more request.
MERGE_BELOW = 1 << 20


@dataclass(frozen=True, order=True)
class Extent:
    """A run of bytes."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.offset + self.length


def data_extents(path: Path, merge_below: int = MERGE_BELOW) -> list[Extent]:
    """Where *path* has data, in order; holes shorter than *merge_below* bytes count as data."""
    return list(merged(_raw_extents(path), merge_below))


def _raw_extents(path: Path) -> Iterator[Extent]:
    """As the file system tells it (lseek(2): SEEK_DATA, SEEK_HOLE)."""
    with path.open("rb") as file:
        at = 0
        while True:
            try:
                start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # no more data
                    return
                raise
            at = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            yield Extent(start, at - start)


def merged(extents: Iterable[Extent], merge_below: int) -> Iterator[Extent]:
    """*extents*, which are in order, with the small gaps between them filled."""
    last: Extent | None = None
    for extent in extents:
        if last and extent.offset - last.end < merge_below:
            last = Extent(last.offset, extent.end - last.offset)
            continue
        if last:
            yield last
        last = extent
    if last:
        yield last
