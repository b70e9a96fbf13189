"""Writing all flights of a store to a file."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sqlalchemy import select

from harness.errors import LabError
from harness.outfile import whole
from harness.progress import Progress, silent
from harness.store.exports import export_line
from harness.store.store import Store
from harness.store.tables import FlightRow

STDOUT = Path("-")


def export_file(
    store: Store, file: Path, *, branch: str | None = None, progress: Progress = silent
) -> int:
    """Write the flights of *store* to *file*, oldest first; how many there were.

    The file appears whole or not at all, and is of one state of the store. `LabError` when it
    can't be written.
    """
    query = select(FlightRow.id).order_by(FlightRow.started, FlightRow.id)
    if branch is not None:
        query = query.where(FlightRow.branch == branch)
    with store.reading() as connection, _written(file) as out:
        numbers = list(connection.scalars(query))
        for count, number in enumerate(numbers):
            progress(f"exporting: {count} of {len(numbers)} flights", count / len(numbers))
            out.write(export_line(connection, number))
    return len(numbers)


@contextmanager
def _written(file: Path) -> Iterator[IO[str]]:
    if file == STDOUT:
        yield sys.stdout
        return
    try:
        with whole(file) as fresh, _opened(fresh, packed=file.suffix == ".gz") as out:
            yield out
    except OSError as error:
        msg = f"can't write {file}: {error.strerror or error}"
        raise LabError(msg) from error


def _opened(path: Path, *, packed: bool) -> IO[str]:
    if packed:
        return gzip.open(path, "wt", encoding="ascii", compresslevel=6)
    return path.open("w", encoding="ascii")
