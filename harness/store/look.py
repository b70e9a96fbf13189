"""What people ask of the store: which flights there are, and how a job fared in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, func, select

from harness.status import Status
from harness.store.put import ALIVE
from harness.store.tables import (
    AttemptRow,
    FlightHostRow,
    FlightRow,
    HostStateRow,
    JobRow,
    StepRow,
    of_attempt,
)
from harness.store.tables.base import AnyRow, AnySelect


@dataclass(frozen=True, kw_only=True)
class FlightLine:
    """One flight in a list."""

    number: int
    flight_id: str
    flight: str
    branch: str
    blessing: str
    status: Status
    running: bool
    """Whether its controller was heard of lately; its status is `aborted` until it ends."""
    started: datetime
    ended: datetime | None
    duration: float
    hosts: tuple[str, ...]
    xen: tuple[str, ...]
    """The versions that these hosts had."""
    gate: str | None
    jobs: Mapping[Status, int]
    """How many, by status."""


@dataclass(frozen=True, kw_only=True)
class JobLine:
    """One job, or one step of it, in one flight."""

    number: int
    flight_id: str
    branch: str
    blessing: str
    started: datetime
    """When it began."""
    status: Status
    duration: float
    """Seconds, of the job or of the step."""
    attempt: int
    """From 1."""
    host: str | None
    xen: str | None
    testid: str | None
    """The first step that did not pass, or the one that was asked for."""
    failure_class: str | None
    reason: str | None
    fingerprint: str | None


def list_flights(
    connection: Connection,
    *,
    now: datetime,
    branch: str | None = None,
    blessing: str | None = None,
    limit: int = 20,
) -> list[FlightLine]:
    """The newest flights, newest first."""
    query: AnySelect = select(FlightRow.__table__)
    if branch is not None:
        query = query.where(FlightRow.branch == branch)
    if blessing is not None:
        query = query.where(FlightRow.blessing == blessing)
    query = query.order_by(FlightRow.started.desc(), FlightRow.id.desc()).limit(limit)
    rows = connection.execute(query).all()
    numbers = [row.id for row in rows]
    counts, hosts = job_counts(connection, numbers), _hosts_of(connection, numbers)
    return [_flight_line(row, counts.get(row.id, {}), hosts.get(row.id, ()), now) for row in rows]


def job_counts(connection: Connection, numbers: Collection[int]) -> dict[int, dict[Status, int]]:
    """For each flight how many of its jobs have which status."""
    query = (
        select(JobRow.flight, JobRow.status, func.count())
        .where(JobRow.flight.in_(numbers))
        .group_by(JobRow.flight, JobRow.status)
    )
    counts: dict[int, dict[Status, int]] = defaultdict(dict)
    for number, status, count in connection.execute(query):
        counts[number][Status(status)] = count
    return counts


def _hosts_of(connection: Connection, numbers: Collection[int]) -> dict[int, list[AnyRow]]:
    query = (
        select(FlightHostRow.flight, FlightHostRow.host, HostStateRow.xen_version)
        .join(HostStateRow, HostStateRow.key == FlightHostRow.state)
        .where(FlightHostRow.flight.in_(numbers))
        .order_by(FlightHostRow.flight, FlightHostRow.host_no)
    )
    found: dict[int, list[AnyRow]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.flight].append(row)
    return found


def job_lines(
    connection: Connection,
    job: str,
    *,
    testid: str | None = None,
    branch: str | None = None,
    host: str | None = None,
    limit: int = 20,
) -> list[JobLine]:
    """A job, or a step of it, in the newest flights that had it, newest first."""
    query = _attempts(job, branch, host)
    if testid is not None:
        query = query.add_columns(
            StepRow.testid,
            StepRow.status.label("step_status"),
            StepRow.duration.label("step_duration"),
            StepRow.failure_class,
            StepRow.reason.label("step_reason"),
            StepRow.fingerprint,
        ).join(StepRow, and_(of_attempt(), StepRow.testid == testid))
    picked = connection.execute(_newest_first(query).limit(limit)).all()
    if testid is not None:
        return [_step_line(row) for row in picked]
    bad = _first_bad(connection, picked)
    return [_job_line(row, bad.get((row.flight, row.job_no, row.attempt))) for row in picked]


def is_running(row: AnyRow, now: datetime) -> bool:
    """Whether the flight of this row still flies, as far as can be told."""
    return row.ended is None and bool(now - row.heard < ALIVE)


def _flight_line(
    row: AnyRow, jobs: Mapping[Status, int], hosts: Collection[AnyRow], now: datetime
) -> FlightLine:
    running = is_running(row, now)
    return FlightLine(
        number=row.id,
        flight_id=row.flight_id,
        flight=row.flight,
        branch=row.branch,
        blessing=row.blessing,
        status=Status(row.status),
        running=running,
        started=row.started,
        ended=row.ended,
        duration=(row.heard - row.started).total_seconds() if running else row.duration,
        hosts=tuple(one.host for one in hosts),
        xen=tuple(dict.fromkeys(one.xen_version for one in hosts if one.xen_version)),
        gate=row.gate,
        jobs={status: jobs[status] for status in Status if status in jobs},
    )


def _attempts(job: str, branch: str | None, host: str | None) -> AnySelect:
    query: AnySelect = (
        select(
            AttemptRow.flight,
            AttemptRow.job_no,
            AttemptRow.attempt,
            AttemptRow.branch,
            AttemptRow.blessing,
            AttemptRow.at,
            FlightRow.flight_id,
            AttemptRow.status,
            AttemptRow.duration,
            AttemptRow.reason,
            AttemptRow.host,
            HostStateRow.xen_version,
        )
        .join(FlightRow, FlightRow.id == AttemptRow.flight)
        .join(HostStateRow, HostStateRow.key == AttemptRow.host_state, isouter=True)
        .where(AttemptRow.job == job)
    )
    if branch is not None:
        query = query.where(AttemptRow.branch == branch)
    return query if host is None else query.where(AttemptRow.host == host)


def _newest_first(query: AnySelect) -> AnySelect:
    return query.order_by(AttemptRow.at.desc(), AttemptRow.flight.desc(), AttemptRow.attempt.desc())


def _first_bad(
    connection: Connection, rows: Collection[AnyRow]
) -> dict[tuple[int, int, int], AnyRow]:
    """Of each attempt its first step that neither passed nor was skipped."""
    harmless = (Status.PASS.value, Status.SKIP.value)
    query = (
        select(StepRow.__table__)
        .where(StepRow.flight.in_({row.flight for row in rows}))
        .where(StepRow.job_no.in_({row.job_no for row in rows}))
        .where(StepRow.status.not_in(harmless))
        .order_by(StepRow.flight, StepRow.job_no, StepRow.step_no)
    )
    found: dict[tuple[int, int, int], AnyRow] = {}
    for step in connection.execute(query):
        found.setdefault((step.flight, step.job_no, step.attempt), step)
    return found


def _job_line(row: AnyRow, bad: AnyRow | None) -> JobLine:
    return JobLine(
        number=row.flight,
        flight_id=row.flight_id,
        branch=row.branch,
        blessing=row.blessing,
        started=row.at,
        status=Status(row.status),
        duration=row.duration,
        attempt=row.attempt,
        host=row.host,
        xen=row.xen_version,
        testid=bad.testid if bad else None,
        failure_class=bad.failure_class if bad else None,
        reason=bad.reason if bad else row.reason,
        fingerprint=bad.fingerprint if bad else None,
    )


def _step_line(row: AnyRow) -> JobLine:
    return JobLine(
        number=row.flight,
        flight_id=row.flight_id,
        branch=row.branch,
        blessing=row.blessing,
        started=row.at,
        status=Status(row.step_status),
        duration=row.step_duration,
        attempt=row.attempt,
        host=row.host,
        xen=row.xen_version,
        testid=row.testid,
        failure_class=row.failure_class,
        reason=row.step_reason,
        fingerprint=row.fingerprint,
    )
