"""All that the store knows of one flight, for who shows it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, select

from harness.results.model import FlightResult
from harness.store.about import About
from harness.store.exports import Note, notes_of
from harness.store.look import is_running
from harness.store.tables import ArtifactRow, AttemptRow, FlightRow, RevisionRow, RunvarRow
from harness.store.whole import read_about, read_flight


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file that it left. *path* is relative to the flight's directory, *size* in bytes."""

    job: str | None
    kind: str
    path: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Details:
    """One flight."""

    number: int
    result: FlightResult
    about: About
    running: bool
    heard: datetime
    gate_at: datetime | None
    notes: tuple[Note, ...]
    artifacts: tuple[Artifact, ...]
    revisions: dict[str, dict[str, str]]
    """What was under test in a job's last attempt, by job and tree."""
    sources: dict[str, dict[str, str | None]]
    """Where the runvars of a job's last attempt come from, by job and name."""


def read_details(connection: Connection, number: int, now: datetime) -> Details:
    """All of the flight with that number, which must be there."""
    row = connection.execute(select(FlightRow.__table__).where(FlightRow.id == number)).one()
    result = read_flight(connection, number)
    names = [job.name for job in result.jobs]
    keys: dict[str, str | None] = {}
    tried = select(AttemptRow.job, AttemptRow.revisions).where(AttemptRow.flight == number)
    for job, key in connection.execute(tried.order_by(AttemptRow.job_no, AttemptRow.attempt)):
        keys[job] = key
    return Details(
        number=number,
        result=result,
        about=read_about(connection, number),
        running=is_running(row, now),
        heard=row.heard,
        gate_at=row.gate_at,
        notes=tuple(notes_of(connection, number)),
        artifacts=_artifacts(connection, number, names),
        revisions=_revisions(connection, keys),
        sources=_sources(connection, number),
    )


def _artifacts(connection: Connection, number: int, names: list[str]) -> tuple[Artifact, ...]:
    query = select(ArtifactRow.__table__).where(ArtifactRow.flight == number)
    return tuple(
        Artifact(
            job=None if row.job_no is None else names[row.job_no],
            kind=row.kind,
            path=row.path,
            size=row.size,
        )
        for row in connection.execute(query.order_by(ArtifactRow.job_no, ArtifactRow.path))
    )


def _revisions(connection: Connection, keys: dict[str, str | None]) -> dict[str, dict[str, str]]:
    sets: dict[str, dict[str, str]] = defaultdict(dict)
    wanted = {key for key in keys.values() if key}
    query = select(RevisionRow.key, RevisionRow.tree, RevisionRow.revision)
    query = query.where(RevisionRow.key.in_(wanted)).order_by(RevisionRow.tree)
    for key, tree, revision in connection.execute(query):
        sets[key][tree] = revision
    return {job: sets[key] if key else {} for job, key in keys.items()}


def _sources(connection: Connection, number: int) -> dict[str, dict[str, str | None]]:
    found: dict[tuple[str, int], dict[str, str | None]] = defaultdict(dict)
    query = (
        select(AttemptRow.job, AttemptRow.attempt, RunvarRow.name, RunvarRow.source)
        .join(
            AttemptRow,
            and_(
                AttemptRow.flight == RunvarRow.flight,
                AttemptRow.job_no == RunvarRow.job_no,
                AttemptRow.attempt == RunvarRow.attempt,
            ),
        )
        .where(RunvarRow.flight == number)
    )
    for job, attempt, name, source in connection.execute(query):
        found[job, attempt][name] = source
    return {job: found[job, attempt] for job, attempt in sorted(found)}
