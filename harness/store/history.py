"""History as the store has it: `harness.judge.history.History` by queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from sqlalchemy import Connection, and_, exists, func, or_, select

from harness.judge.history import FlightRecord, JobRecord, Revisions, StepRecord, StepRun
from harness.results.model import StepResult
from harness.results.rules import problems_of
from harness.status import Status
from harness.store.tables import AttemptRow, FlightRow, ProblemRow, RevisionRow, StepRow, of_attempt
from harness.store.tables.base import AnyRow, AnySelect

OPEN = "open"
SHUT = "shut"
_STATUS = {status.value: status for status in Status}
"""Looking one up is ten times as fast as asking the enumeration, and there are a million."""
_NOTHING: Mapping[str, str] = {}


class StoreHistory:
    """What one transaction sees of history; see `Store.reading`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sets: dict[str, dict[str, str]] = {}
        """Revisions by the key of their set: few stand under many jobs."""

    def flights(self, branch: str, before: datetime | None, limit: int) -> Sequence[str]:
        """The ids of the last flights of a branch, newest first."""
        query = select(FlightRow.flight_id).where(FlightRow.branch == branch)
        if before is not None:
            query = query.where(FlightRow.started < before)
        query = query.order_by(FlightRow.started.desc(), FlightRow.flight_id).limit(limit)
        return list(self._connection.scalars(query))

    def flight(self, flight: str) -> FlightRecord | None:
        """All of one flight; None when there is no such."""
        row = self._connection.execute(
            select(FlightRow.__table__).where(FlightRow.flight_id == flight)
        ).one_or_none()
        if row is None:
            return None
        query = select(ProblemRow.text).where(ProblemRow.flight == row.id)
        problems = tuple(self._connection.scalars(query.order_by(ProblemRow.problem_no)))
        left = StepResult.model_validate(row.leak_check) if row.leak_check else None
        jobs = _attempts().where(AttemptRow.flight == row.id)
        return FlightRecord(
            flight=row.flight_id,
            branch=row.branch,
            blessing=row.blessing,
            started=row.started,
            jobs=tuple(self._records(jobs.order_by(AttemptRow.job_no, AttemptRow.attempt))),
            ended=row.ended is not None and row.status != Status.ABORTED.value,
            problems=problems_of(problems, left),
            gate_open=None if row.gate is None else row.gate == OPEN,
        )

    def job_history(self, job: str, branch: str, limit: int) -> Sequence[JobRecord]:
        """The last runs of a job on a branch."""
        return self._records(_runs_of(job, branch).limit(limit))

    def step_history(
        self, job: str, testid: str, branch: str, limit: int | None
    ) -> Sequence[StepRun]:
        """The last runs of a step on a branch; all of them with None."""
        query = _runs_of(job, branch).join(StepRow, of_attempt())
        query = query.where(StepRow.testid == testid).limit(limit)
        query = query.add_columns(StepRow.status.label("step_status"), StepRow.fingerprint)
        rows = self._connection.execute(query).all()
        self._load_sets(rows)
        return [
            StepRun(
                row.flight_id,
                row.branch,
                row.blessing,
                row.host,
                row.at,
                self._sets.get(row.revisions, _NOTHING),
                _STATUS[row.step_status],
                row.fingerprint,
            )
            for row in rows
        ]

    def baseline(self, branch: str, before: datetime) -> str | None:
        """The last flight of a branch that started before *before* and whose gate opened."""
        query = (
            select(FlightRow.flight_id)
            .where(FlightRow.branch == branch, FlightRow.gate == OPEN, FlightRow.started < before)
            .order_by(FlightRow.started.desc(), FlightRow.flight_id)
        )
        return self._connection.scalar(query.limit(1))

    def passes_at(self, revisions: Revisions, job: str) -> Sequence[JobRecord]:
        """The runs of a job, on any branch, in which some step passed with all of *revisions*."""
        if not revisions:
            return []
        passed = select(StepRow.step_no).where(of_attempt(), StepRow.status == Status.PASS.value)
        query = _attempts().where(AttemptRow.job == job, exists(passed.correlate(AttemptRow)))
        query = query.where(AttemptRow.revisions.in_(_sets_with(revisions)))
        return self._records(_newest_first(query))

    def _records(self, query: AnySelect) -> list[JobRecord]:
        """Runs with their steps, in two queries however many there are."""
        rows = self._connection.execute(query).all()
        picked = query.cte("picked")
        same = and_(
            StepRow.flight == picked.c.number,
            StepRow.job_no == picked.c.job_no,
            StepRow.attempt == picked.c.attempt,
        )
        found = (
            select(
                StepRow.flight,
                StepRow.job_no,
                StepRow.attempt,
                StepRow.testid,
                StepRow.status,
                StepRow.duration,
                StepRow.fingerprint,
            )
            .join_from(picked, StepRow, same)
            .order_by(StepRow.flight, StepRow.job_no, StepRow.attempt, StepRow.step_no)
        )
        steps = {
            place: tuple(_step(row) for row in group)
            for place, group in groupby(
                self._connection.execute(found), attrgetter("flight", "job_no", "attempt")
            )
        }
        self._load_sets(rows)
        return [
            self._record(row, steps.get((row.number, row.job_no, row.attempt), ())) for row in rows
        ]

    def _record(self, row: AnyRow, steps: tuple[StepRecord, ...]) -> JobRecord:
        return JobRecord(
            flight=row.flight_id,
            branch=row.branch,
            blessing=row.blessing,
            job=row.job,
            host=row.host,
            started=row.at,
            revisions=self._sets.get(row.revisions, _NOTHING),
            steps=steps,
            status=_STATUS[row.status],
        )

    def _load_sets(self, rows: Iterable[AnyRow]) -> None:
        keys = {row.revisions for row in rows if row.revisions}
        missing = sorted(keys - self._sets.keys())
        for start in range(0, len(missing), 500):
            part = missing[start : start + 500]
            query = select(RevisionRow.key, RevisionRow.tree, RevisionRow.revision)
            query = query.where(RevisionRow.key.in_(part), RevisionRow.tells)
            for row in self._connection.execute(query):
                self._sets.setdefault(row.key, {})[row.tree] = row.revision


def _attempts() -> AnySelect:
    return select(
        AttemptRow.flight.label("number"),
        AttemptRow.job_no,
        AttemptRow.attempt,
        AttemptRow.job,
        AttemptRow.branch,
        AttemptRow.blessing,
        AttemptRow.at,
        AttemptRow.host,
        AttemptRow.status,
        AttemptRow.revisions,
        FlightRow.flight_id,
    ).join(FlightRow, FlightRow.id == AttemptRow.flight)


def _runs_of(job: str, branch: str) -> AnySelect:
    return _newest_first(_attempts().where(AttemptRow.job == job, AttemptRow.branch == branch))


def _newest_first(query: AnySelect) -> AnySelect:
    return query.order_by(AttemptRow.at.desc(), AttemptRow.flight.desc(), AttemptRow.attempt.desc())


def _sets_with(revisions: Revisions) -> AnySelect:
    """The keys of the sets that have all of *revisions*."""
    either = [
        and_(RevisionRow.tree == tree, RevisionRow.revision == revision)
        for tree, revision in revisions.items()
    ]
    query = select(RevisionRow.key).where(or_(*either), RevisionRow.tells)
    return query.group_by(RevisionRow.key).having(func.count() == len(revisions))


def _step(row: AnyRow) -> StepRecord:
    return StepRecord(
        testid=row.testid,
        status=_STATUS[row.status],
        duration=row.duration,
        fingerprint=row.fingerprint,
    )
