"""Flights in a file, one a line, to be taken in by another store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, delete, insert, select, update

from harness.errors import Place, UsageError
from harness.results.attempts import attempts_of
from harness.results.model import FlightResult
from harness.results.revisions import revisions_of
from harness.store.about import About, as_envelope
from harness.store.jobrows import FIRST
from harness.store.revisions import for_people
from harness.store.spool import about_of
from harness.store.tables import AttemptRow, FlightRow, NoteRow, RevisionRow
from harness.store.whole import read_about, read_flight

VERSION = 1
_WORD = "xenflight_export"
_TIME: TypeAdapter[datetime | None] = TypeAdapter(datetime | None)


@dataclass(frozen=True, kw_only=True)
class Note:
    """What somebody wrote about a flight, or a job of it."""

    at: datetime
    author: str
    text: str
    job: str | None = None


@dataclass(frozen=True, kw_only=True)
class ExportedFlight:
    """A flight and all that the store knows beside it."""

    result: FlightResult
    about: About
    gate_at: datetime | None = None
    notes: tuple[Note, ...] = ()


def is_export(text: str) -> bool:
    """Whether a file that begins like this is one of ours."""
    return text.startswith(f'{{"{_WORD}"')


def export_line(connection: Connection, number: int) -> str:
    """One flight as a line of JSON, in ASCII."""
    result = read_flight(connection, number)
    about = replace(read_about(connection, number), revisions=_more(connection, number, result))
    gate_at = connection.scalar(select(FlightRow.gate_at).where(FlightRow.id == number))
    notes = notes_of(connection, number)
    line = {
        _WORD: VERSION,
        **as_envelope(about),
        "gate_at": gate_at and gate_at.isoformat(),
        "notes": [[one.at.isoformat(), one.author, one.text, one.job] for one in notes],
        "result": result.model_dump(mode="json"),
    }
    return json.dumps(line) + "\n"


def notes_of(connection: Connection, number: int) -> list[Note]:
    """What was written about a flight, in order."""
    query = select(NoteRow.at, NoteRow.author, NoteRow.text, NoteRow.job)
    query = query.where(NoteRow.flight == number).order_by(NoteRow.id)
    return [
        Note(at=row.at, author=row.author, text=row.text, job=row.job)
        for row in connection.execute(query)
    ]


def read_exported(path: Path, lines: Iterable[str]) -> Iterator[ExportedFlight]:
    """The flights in a file; `UsageError`, with the line, for what is none."""
    try:
        for number, line in enumerate(lines, start=1):
            yield _exported(Place(file=str(path), line=number), line)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        msg = f"the file is damaged: {error}"
        raise UsageError(msg, place=Place(file=str(path))) from error


def put_beside(connection: Connection, number: int, flight: ExportedFlight) -> None:
    """Write what an export has beside a flight: its gate and its notes, in place of others."""
    values = {"gate": flight.about.gate, "gate_at": flight.gate_at}
    connection.execute(update(FlightRow).where(FlightRow.id == number).values(values))
    connection.execute(delete(NoteRow).where(NoteRow.flight == number))
    for note in flight.notes:
        row = {"at": note.at, "author": note.author, "text": note.text, "job": note.job}
        connection.execute(insert(NoteRow), [{**row, "flight": number, "host": None}])


def _exported(place: Place, line: str) -> ExportedFlight:
    try:
        data = json.loads(line)
        if data[_WORD] != VERSION:
            msg = f"written by another xenflight: version {data[_WORD]}, this one knows {VERSION}"
            raise UsageError(msg, place=place)
        return ExportedFlight(
            result=FlightResult.model_validate_json(json.dumps(data["result"]), strict=True),
            about=about_of(data),
            gate_at=_TIME.validate_python(data["gate_at"]),
            notes=tuple(_note(*values) for values in data["notes"]),
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = f"the file is damaged: {where}: {first['msg']}"
        raise UsageError(msg, place=place) from error
    except (ValueError, KeyError, TypeError) as error:
        msg = f"the file is damaged: {type(error).__name__}: {error}"
        raise UsageError(msg, place=place) from error


def _note(at: str, author: str, text: str, job: str | None) -> Note:
    return Note(at=datetime.fromisoformat(at), author=str(author), text=str(text), job=job)


def _more(connection: Connection, number: int, result: FlightResult) -> dict[str, str]:
    """Revisions that were given for the flight and do not follow from its results."""
    if not result.jobs:
        return {}
    rows: Iterable[Any] = connection.execute(
        select(RevisionRow.tree, RevisionRow.revision)
        .join(AttemptRow, AttemptRow.revisions == RevisionRow.key)
        .where(AttemptRow.flight == number, AttemptRow.job_no == 0, AttemptRow.attempt == FIRST)
    )
    job = attempts_of(result.jobs[0])[0]
    follows = {**for_people(job, result.images), **revisions_of(result, job)}
    return {tree: revision for tree, revision in rows if follows.get(tree) != revision}
