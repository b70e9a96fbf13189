"""What is in the queue, for people and for workers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, and_, cast, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from harness.errors import UsageError
from harness.flight.hints import did_you_mean
from harness.lab.lab import Lab
from harness.lab.tables import ATTEMPTS, FLIGHTS, FOR_PAIR, JOBS, SCHEMA, WORKERS
from harness.lab.words import State, fits
from harness.store.tables.base import AnyRow


class Shown(StrEnum):
    """How a job stands, as people see it."""

    WAITING = "waiting"
    RUNNING = "running"
    STALLED = "stalled"
    """Its worker is not heard of."""
    ENDING = "ending"
    """Somebody cancelled it, and it still runs."""
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True)
class QueuedJob:
    """One job of a flight in the queue."""

    flight_id: str
    job: str
    shown: Shown
    since: datetime
    hosts: tuple[str, ...]
    """Those that it may run on; the one that it ran on, when it is over."""
    worker: str = ""
    status: str = ""
    """Of one that ended."""
    attempts: int = 0
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class QueuedFlight:
    """A flight in the queue."""

    flight_id: str
    owner: str
    priority: int
    submitted: datetime
    finished: datetime | None
    jobs: dict[str, int]
    """How many are in each state."""


@dataclass(frozen=True, kw_only=True)
class LabWorker:
    """A worker that lives, or was heard of not long ago."""

    name: str
    hosts: tuple[str, ...]
    concurrency: int
    began: datetime
    heard: datetime
    running: int


def open_jobs(lab: Lab, hosts: Collection[str]) -> int:
    """How many jobs wait or run that may be for who has these hosts."""
    known = JOBS.c.hosts.has_any(cast(list(hosts), ARRAY(TEXT)))
    query = select(JOBS.c.hosts, FOR_PAIR, func.count().label("n"))
    query = query.where(JOBS.c.state != State.ENDED, known).group_by(JOBS.c.hosts, FOR_PAIR)
    with lab.reading() as connection:
        found = connection.execute(query).all()
    return sum(row.n for row in found if fits(row.hosts, hosts, pair=row.pair))


def find_queued(connection: Connection, word: str) -> str:
    """The id of the flight meant: its id, the beginning of it, or ``latest``; else `UsageError`."""
    query = select(FLIGHTS.c.flight_id).order_by(FLIGHTS.c.submitted.desc())
    known: list[str] = list(connection.scalars(query))
    if word in known:
        return word
    if word == "latest" and known:
        return known[0]
    found = [one for one in known if one.startswith(word)] if len(word) > 3 else []
    if len(found) == 1:
        return found[0]
    if found:
        msg = f"several flights in the queue begin with {word!r}: {', '.join(found[:5])}"
        raise UsageError(msg)
    msg = f"there is no flight {word!r} in the queue{did_you_mean(word, known)}"
    raise UsageError(msg, hint="xenflight queue lists those that are")


def queued_flights(connection: Connection, limit: int = 20) -> list[QueuedFlight]:
    """Those that are not finished, and the newest of the others, newest first."""
    columns = (FLIGHTS.c.flight_id, FLIGHTS.c.owner, FLIGHTS.c.priority)
    times = (FLIGHTS.c.submitted, FLIGHTS.c.finished)
    open_first = FLIGHTS.c.finished.is_(None).desc()
    query = select(*columns, *times).order_by(open_first, FLIGHTS.c.submitted.desc())
    rows = connection.execute(query.limit(limit)).all()
    counted = select(JOBS.c.flight_id, JOBS.c.state, func.count().label("n"))
    counted = counted.where(JOBS.c.flight_id.in_([row.flight_id for row in rows]))
    counts = connection.execute(counted.group_by(JOBS.c.flight_id, JOBS.c.state)).all()
    return [
        QueuedFlight(
            flight_id=row.flight_id,
            owner=row.owner,
            priority=row.priority,
            submitted=row.submitted,
            finished=row.finished,
            jobs={one.state: one.n for one in counts if one.flight_id == row.flight_id},
        )
        for row in rows
    ]


def queued_jobs(
    connection: Connection, flight_id: str | None, stalled_after: timedelta
) -> list[QueuedJob]:
    """The jobs of a flight; without one all that wait or run, in the order they are taken."""
    last = (
        select(
            ATTEMPTS.c.flight_id,
            ATTEMPTS.c.job_no,
            func.max(ATTEMPTS.c.id).label("attempt"),
            func.count().label("n"),
        )
        .group_by(ATTEMPTS.c.flight_id, ATTEMPTS.c.job_no)
        .subquery()
    )
    same = and_(last.c.flight_id == JOBS.c.flight_id, last.c.job_no == JOBS.c.job_no)
    query = (
        select(
            JOBS,
            FLIGHTS.c.priority,
            ATTEMPTS.c.worker,
            ATTEMPTS.c.worker_id,
            ATTEMPTS.c.host.label("on"),
            ATTEMPTS.c.reason,
            last.c.n,
        )
        .join(FLIGHTS, FLIGHTS.c.flight_id == JOBS.c.flight_id)
        .outerjoin(last, same)
        .outerjoin(ATTEMPTS, ATTEMPTS.c.id == last.c.attempt)
    )
    if flight_id is None:
        query = query.where(JOBS.c.state != State.ENDED)
        query = query.order_by(JOBS.c.state, FLIGHTS.c.priority.desc(), JOBS.c.queue_id)
    else:
        query = query.where(JOBS.c.flight_id == flight_id).order_by(JOBS.c.job_no)
    stalled = _stalled(connection, stalled_after)
    return [_job(row, stalled) for row in connection.execute(query)]


def lab_workers(connection: Connection, stalled_after: timedelta) -> list[LabWorker]:
    """Those that live."""
    running = select(func.count()).where(
        ATTEMPTS.c.worker_id == WORKERS.c.id, ATTEMPTS.c.outcome.is_(None)
    )
    query = select(WORKERS, running.scalar_subquery().label("running"))
    query = query.where(
        WORKERS.c.ended.is_(None), WORKERS.c.heard > func.now() - stalled_after
    ).order_by(WORKERS.c.name)
    return [
        LabWorker(
            name=row.name,
            hosts=tuple(row.hosts),
            concurrency=row.concurrency,
            began=row.began,
            heard=row.heard,
            running=row.running,
        )
        for row in connection.execute(query)
    ]


def _stalled(connection: Connection, after: timedelta) -> set[int]:
    """The numbers of jobs whose worker is not heard of: procrastinate's own rule."""
    query = text(
        f"SELECT j.id FROM {SCHEMA}.procrastinate_jobs j"
        f" LEFT JOIN {SCHEMA}.procrastinate_workers w ON w.id = j.worker_id"
        " WHERE j.status = 'doing' AND (w.id IS NULL OR w.last_heartbeat < now() - :after)"
    )
    return set(connection.scalars(query, {"after": after}))


def _job(row: AnyRow, stalled: Collection[int]) -> QueuedJob:
    shown = Shown(row.state)
    if shown is Shown.RUNNING:
        shown = Shown.ENDING if row.cancelled else shown
        shown = Shown.STALLED if row.queue_id in stalled else shown
    over = shown is Shown.ENDED
    on = [row.on] if row.on and shown is not Shown.WAITING else row.hosts
    return QueuedJob(
        flight_id=row.flight_id,
        job=row.job,
        shown=shown,
        since=row.since,
        hosts=tuple(on),
        worker=row.worker if row.worker and shown is not Shown.WAITING else "",
        status=row.result["status"] if over and row.result else "",
        attempts=row.n or 0,
        note=_note(row, over=over),
    )


def _note(row: AnyRow, *, over: bool) -> str:
    if row.cancelled:
        return f"cancelled by {row.cancelled}"
    if over:
        return (row.result or {}).get("reason") or ""
    return row.reason or ""


def jobs_matching(rows: Sequence[AnyRow], job: str | None) -> list[AnyRow]:
    """All of a flight's jobs, or the one called *job*; `UsageError` when there is none such."""
    if job is None:
        return list(rows)
    found = [row for row in rows if row.job == job]
    if not found:
        msg = f"it has no job {job!r}{did_you_mean(job, [row.job for row in rows])}"
        raise UsageError(msg)
    return found
