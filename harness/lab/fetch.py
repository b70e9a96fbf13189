"""A flight of the queue as a directory like any other flight's, on this machine."""

from __future__ import annotations

import gzip
from pathlib import Path, PurePosixPath

from sqlalchemy import Connection, delete, insert, select, update

from harness.errors import LabError, UsageError
from harness.lab.flow import HeldFlight
from harness.lab.join import place_of
from harness.lab.lab import Lab
from harness.lab.look import find_queued
from harness.lab.tables import ATTEMPTS, FILES
from harness.lab.words import Outcome
from harness.report.junit import write_junit
from harness.results.belonging import Belonging, write_belonging
from harness.results.layout import FlightDirectory, JobDirectory
from harness.results.model import FlightResult
from harness.results.recorder import point_latest, to_json, write_atomically
from harness.store.artifacts import artifact_rows
from harness.store.tables import ArtifactRow, FlightRow
from harness.store.whole import read_flight

_EVIDENCE = "evidence"


def fetch(lab: Lab, word: str, reports: Path) -> tuple[FlightResult, Path]:
    """Write the flight's directory below *reports*: its results, and what its runs left.

    `UsageError` when it is not over, or a flight that ran here has that directory; `LabError` when
    it can't be written.
    """
    with lab.writing() as connection:
        flight = HeldFlight(lab, connection, find_queued(connection, word))
        if flight.row.finished is None:
            msg = f"flight {flight.flight_id} is not over"
            raise UsageError(msg, hint=f"xenflight queue {flight.flight_id} says what is left")
        result = read_flight(connection, flight.number)
        files = FlightDirectory.of(reports, flight.flight_id)
        if files.events.exists():
            msg = f"{files.path} is of a flight that ran here; nothing was overwritten"
            raise UsageError(msg)
        try:
            _write(connection, flight, result, files)
        except OSError as error:
            msg = f"cannot write {error.filename or files.path}: {error.strerror or error}"
            raise LabError(msg) from error
        _say_where(connection, flight, result, files)
        return result, files.path


def _write(
    connection: Connection, flight: HeldFlight, result: FlightResult, files: FlightDirectory
) -> None:
    files.path.mkdir(parents=True, exist_ok=True)
    for row in flight.jobs():
        _write_job(connection, flight, row.job_no, files.job(row.job))
    write_atomically(files.results, to_json(result, indent=2) + "\n")
    write_junit(result, files.junit)
    said = Belonging(branch=flight.row.branch, blessing=flight.row.blessing)
    write_belonging(files, said)
    point_latest(files)


def _write_job(
    connection: Connection, flight: HeldFlight, job_no: int, directory: JobDirectory
) -> None:
    query = select(ATTEMPTS.c.id, ATTEMPTS.c.outcome)
    query = query.where(ATTEMPTS.c.flight_id == flight.flight_id, ATTEMPTS.c.job_no == job_no)
    rows = connection.execute(query.order_by(ATTEMPTS.c.id)).all()
    runs = flight.runs(job_no)
    tried = [row.id for row in rows if row.outcome != Outcome.MISFIT]
    shown = 1 + len(flight.job(job_no).result["attempts"])
    before = 0
    for attempt, run in zip(tried, runs, strict=True):
        number = before + len(run.attempts) + 1
        own = None if number == shown else number
        _write_files(connection, attempt, directory.path, before, own)
        before = number


def _write_files(
    connection: Connection, attempt: int, directory: Path, before: int, own: int | None
) -> None:
    query = select(FILES.c.path, FILES.c.packed).where(FILES.c.attempt == attempt)
    for row in connection.execute(query):
        if not _is_safe(row.path):
            msg = f"the queue has a file that would be outside of its directory: {row.path!r}"
            raise LabError(msg)
        path = directory / place_of(row.path, before, own)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600 if _EVIDENCE in PurePosixPath(row.path).parts else 0o644)
        path.write_bytes(gzip.decompress(row.packed))


def _is_safe(path: str) -> bool:
    found = PurePosixPath(path)
    return not found.is_absolute() and ".." not in found.parts and "\0" not in path


def _say_where(
    connection: Connection, flight: HeldFlight, result: FlightResult, files: FlightDirectory
) -> None:
    """So that pages and the gate find what is here, too."""
    home = str(files.path.resolve())
    number = flight.number
    same = FlightRow.id == number
    connection.execute(update(FlightRow).where(same).values(directory=home))
    connection.execute(delete(ArtifactRow).where(ArtifactRow.flight == number))
    rows = artifact_rows(number, result, home).get(ArtifactRow, [])
    if rows:
        connection.execute(insert(ArtifactRow), rows)
