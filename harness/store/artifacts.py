"""The files that a flight left, as far as they can be seen from here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from stat import S_ISREG

from harness.results.layout import FlightDirectory, JobDirectory
from harness.results.model import FlightResult
from harness.store.rows import Rows
from harness.store.tables import ArtifactRow

MANY = 200
"""Files of evidence of one job that are listed at most."""


def artifact_rows(number: int, result: FlightResult, directory: str | None) -> Rows:
    """A row for each file there is; none when the directory is not on this machine."""
    rows = Rows()
    if directory is None or not Path(directory).is_dir():
        return rows
    files = FlightDirectory(Path(directory))
    for kind, path in _of_flight(files):
        _put(rows, files, number, None, kind, path)
    for job_no, job in enumerate(result.jobs):
        try:
            found = files.job(job.name)
        except ValueError:  # another system's name, which can't be a directory of ours
            continue
        earlier = (found.attempt(n) for n in range(1, len(job.attempts) + 1))
        for place in (*earlier, found):
            for kind, path in _of_job(place):
                _put(rows, files, number, job_no, kind, path)
    return rows


def _of_flight(files: FlightDirectory) -> Iterator[tuple[str, Path]]:
    yield "results", files.results
    yield "events", files.events
    yield "junit", files.junit
    yield "plan", files.plan


def _of_job(files: JobDirectory) -> Iterator[tuple[str, Path]]:
    yield "console", files.console_log
    yield "cast", files.console_cast
    yield "config", files.xl_cfg
    if files.evidence.is_dir():
        for path in islice(sorted(files.evidence.iterdir()), MANY):
            yield "evidence", path


def _put(
    rows: Rows, files: FlightDirectory, number: int, job_no: int | None, kind: str, path: Path
) -> None:
    try:
        found = path.lstat()
    except OSError:
        return
    if S_ISREG(found.st_mode):
        # A name that is no UTF-8 can't be text in a database.
        name = os.fsencode(files.relative(path)).decode("utf-8", "replace")
        rows.put(
            ArtifactRow, flight=number, job_no=job_no, kind=kind, path=name, size=found.st_size
        )
