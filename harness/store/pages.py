"""What pages about flights are made of: flights without their steps, and runs with all of theirs.

In bulk: of one job two hundred runs, with their steps and phases, in three queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, TypeVar

from sqlalchemy import CTE, Connection, and_, exists, func, select
from sqlalchemy.orm import aliased

from harness.results.runs import Run, StepRun, Timing
from harness.status import Status
from harness.store.look import is_running
from harness.store.tables import (
    AttemptRow,
    FlightHostRow,
    FlightRow,
    JobRow,
    PhaseRow,
    ProblemRow,
    RevisionRow,
    StepRow,
)
from harness.store.tables.base import AnyRow, AnySelect

_STATUS = {status.value: status for status in Status}
_NOTHING: Mapping[str, str] = {}
_AT_ONCE = 400
"""Values in one statement."""
_STEP = (
    "flight",
    "job_no",
    "attempt",
    "step_no",
    "testid",
    "status",
    "duration",
    "failure_class",
)
_PHASE = ("flight", "job_no", "attempt", "step_no", "name", "duration", "status")
T = TypeVar("T")

Place = tuple[int, int, int]
"""Of an attempt: the numbers of its flight, of its job in that, and its own."""


class FlightHead(NamedTuple):
    """A flight without its jobs."""

    number: int
    flight: str
    name: str
    branch: str
    status: Status
    started: datetime
    ended: datetime | None
    heard: datetime
    running: bool
    duration: float
    hosts: tuple[str, ...]
    problems: int
    gate: str | None
    directory: str | None
    """On the machine of its controller."""
    digest: str
    """Changes when its results do; empty until it ends."""


def flight_heads(connection: Connection, now: datetime) -> list[FlightHead]:
    """All flights, newest first."""
    hosts: dict[int, list[str]] = defaultdict(list)
    query = select(FlightHostRow.flight, FlightHostRow.host)
    for number, host in connection.execute(query.order_by(*FlightHostRow.__table__.primary_key)):
        hosts[number].append(host)
    counts = select(ProblemRow.flight, func.count()).group_by(ProblemRow.flight)
    problems = {row[0]: row[1] for row in connection.execute(counts)}
    rows = connection.execute(
        select(FlightRow.__table__).order_by(FlightRow.started.desc(), FlightRow.flight_id.desc())
    )
    return [_head(row, tuple(hosts.get(row.id, ())), problems.get(row.id, 0), now) for row in rows]


def _head(row: AnyRow, hosts: tuple[str, ...], problems: int, now: datetime) -> FlightHead:
    running = is_running(row, now)
    return FlightHead(
        number=row.id,
        flight=row.flight_id,
        name=row.flight,
        branch=row.branch,
        status=_STATUS[row.status],
        started=row.started,
        ended=row.ended,
        heard=row.heard,
        running=running,
        duration=(row.heard - row.started).total_seconds() if running else row.duration,
        hosts=hosts,
        problems=problems,
        gate=row.gate,
        directory=row.directory,
        digest=row.digest,
    )


def statuses_of(connection: Connection, numbers: Sequence[int]) -> dict[int, dict[str, Status]]:
    """The statuses of the jobs of flights, by their names, in the flights' order."""
    found: dict[int, dict[str, Status]] = {number: {} for number in numbers}
    for part in batched(numbers):
        query = (
            select(JobRow.flight, JobRow.name, JobRow.status)
            .where(JobRow.flight.in_(part))
            .order_by(JobRow.flight, JobRow.job_no)
        )
        for number, name, status in connection.execute(query):
            found[number][name] = _STATUS[status]
    return found


def runs_of_job(connection: Connection, branch: str, job: str, limit: int) -> list[Run]:
    """The last runs of a job on a branch, newest first; of each flight its last attempt."""
    chosen = _attempts().where(AttemptRow.job == job, AttemptRow.branch == branch)
    return _runs(connection, chosen, limit)


def runs_on_host(connection: Connection, host: str, limit: int) -> list[Run]:
    """The same of all jobs that ended on a host, on all branches; without their steps.

    Those of one flight stand together, in its order.
    """
    return _runs(connection, _attempts().where(AttemptRow.host == host), limit, with_steps=False)


def _attempts() -> AnySelect:
    """The last attempt of each job."""
    later = aliased(AttemptRow)
    tried_again = exists().where(
        later.flight == AttemptRow.flight,
        later.job_no == AttemptRow.job_no,
        later.attempt > AttemptRow.attempt,
    )
    return (
        select(
            AttemptRow.flight,
            AttemptRow.job_no,
            AttemptRow.attempt,
            AttemptRow.job,
            AttemptRow.host,
            AttemptRow.at,
            AttemptRow.status,
            AttemptRow.duration,
            AttemptRow.revisions,
            FlightRow.flight_id,
            FlightRow.started,
        )
        .join(FlightRow, FlightRow.id == AttemptRow.flight)
        .where(~tried_again)
    )


def _runs(
    connection: Connection, chosen: AnySelect, limit: int, *, with_steps: bool = True
) -> list[Run]:
    chosen = chosen.order_by(AttemptRow.at.desc(), AttemptRow.flight.desc()).limit(limit)
    rows = sorted(connection.execute(chosen), key=attrgetter("job_no"))
    rows.sort(key=attrgetter("started", "flight_id"), reverse=True)
    steps = _steps(connection, chosen.cte("picked")) if with_steps else {}
    revisions = _revisions(connection, {row.revisions for row in rows if row.revisions})
    return [
        Run(
            flight=row.flight_id,
            job=row.job,
            host=row.host,
            started=row.at,
            status=_STATUS[row.status],
            duration=row.duration,
            steps=tuple(steps.get((row.flight, row.job_no, row.attempt), ())),
            revisions=revisions.get(row.revisions, _NOTHING),
            attempts=row.attempt,
        )
        for row in rows
    ]


def _steps(connection: Connection, picked: CTE) -> Mapping[Place, list[StepRun]]:
    phases = _phases(connection, picked)
    found: dict[Place, list[StepRun]] = defaultdict(list)
    for row in connection.execute(_of(picked, StepRow, _STEP)):
        number, job, attempt, step, testid, status, duration, failure = row
        mine = phases.get((number, job, attempt, step), ())
        run = StepRun(testid, _STATUS[status], duration, failure, mine)
        found[number, job, attempt].append(run)
    return found


def _phases(connection: Connection, picked: CTE) -> Mapping[tuple[int, ...], tuple[Timing, ...]]:
    found: dict[tuple[int, ...], tuple[Timing, ...]] = {}
    rows = connection.execute(_of(picked, PhaseRow, _PHASE))
    for place, group in groupby(rows, key=lambda row: row[:4]):
        found[tuple(place)] = tuple(Timing(row[4], row[5], _STATUS[row[6]]) for row in group)
    return found


def _of(picked: CTE, table: type[StepRow] | type[PhaseRow], names: Sequence[str]) -> AnySelect:
    """The rows of *table* that belong to the *picked* attempts, in their order."""
    columns = table.__table__.c
    same = and_(
        columns.flight == picked.c.flight,
        columns.job_no == picked.c.job_no,
        columns.attempt == picked.c.attempt,
    )
    query: AnySelect = select(*(columns[name] for name in names))
    return query.join_from(picked, table, same).order_by(*table.__table__.primary_key)


def _revisions(connection: Connection, keys: Collection[str]) -> Mapping[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for part in batched(sorted(keys)):
        query = select(RevisionRow.key, RevisionRow.tree, RevisionRow.revision)
        for key, tree, revision in connection.execute(
            query.where(RevisionRow.key.in_(part), RevisionRow.tells)
        ):
            found[key][tree] = revision
    return found


def batched(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """*values* in parts that fit into one statement."""
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
