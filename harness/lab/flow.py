"""A job's way through the queue: it waits, runs, waits again, ends; and its flight ends with the
last. Each function is part of a transaction on the lab, in which the flight is held.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from procrastinate.jobs import Job
from pydantic import TypeAdapter
from sqlalchemy import Connection, func, select, text, update

from harness.errors import UsageError
from harness.lab.join import (
    cut_short,
    joined_flight,
    joined_job,
    merged_checks,
    merged_hosts,
    merged_images,
    waiting_job,
)
from harness.lab.lab import TASK, Lab
from harness.lab.tables import ATTEMPTS, FLIGHTS, JOBS
from harness.lab.told import Told
from harness.lab.words import Outcome, State, for_pair, job_lock, queue_name
from harness.results.events import FlightHeader, PlannedJob
from harness.results.model import FlightResult, HostFacts, ImageFacts, JobResult, Record, StepResult
from harness.status import Status
from harness.store.about import About
from harness.store.flightrows import all_rows, flight_parts, flight_row
from harness.store.jobrows import Frame, job_rows
from harness.store.rows import clean, digest
from harness.store.tables import FlightRow
from harness.store.tables.base import AnyRow
from harness.store.write import flight_number, put_flight, replace_job, replace_parts, replace_rows

_HOSTS = TypeAdapter(tuple[HostFacts, ...])
_IMAGES = TypeAdapter(tuple[ImageFacts, ...])


class HeldFlight:
    """A flight in the queue, which nobody else changes until the transaction is over."""

    def __init__(self, lab: Lab, connection: Connection, flight_id: str) -> None:
        self.lab = lab
        self.connection = connection
        query = select(FLIGHTS).where(FLIGHTS.c.flight_id == flight_id).with_for_update()
        row = connection.execute(query).one_or_none()
        if row is None:
            msg = f"there is no flight {flight_id!r} in the queue"
            raise UsageError(msg, hint="xenflight queue lists those that are")
        self.row: AnyRow = row
        self.flight_id = flight_id
        self.header = FlightHeader.model_validate_json(json.dumps(row.header))
        self.hosts = _HOSTS.validate_json(json.dumps(row.hosts))
        self.images = _IMAGES.validate_json(json.dumps(row.images))

    # -- reading -----------------------------------------------------------------------

    def job(self, job_no: int) -> AnyRow:
        """The row of a job."""
        query = select(JOBS).where(JOBS.c.flight_id == self.flight_id, JOBS.c.job_no == job_no)
        return self.connection.execute(query).one()

    def jobs(self) -> Sequence[AnyRow]:
        """All of them, in order."""
        query = select(JOBS).where(JOBS.c.flight_id == self.flight_id).order_by(JOBS.c.job_no)
        return self.connection.execute(query).all()

    def planned(self, job_no: int) -> PlannedJob:
        """A job as it was planned."""
        return self.header.jobs[job_no]

    def runs(self, job_no: int) -> list[JobResult]:
        """What became of each run of a job that was one, the oldest first."""
        query = select(ATTEMPTS.c.result, ATTEMPTS.c.outcome)
        query = query.where(ATTEMPTS.c.flight_id == self.flight_id, ATTEMPTS.c.job_no == job_no)
        rows = self.connection.execute(query.order_by(ATTEMPTS.c.id)).all()
        return [
            JobResult.model_validate_json(json.dumps(row.result))
            for row in rows
            if row.result and row.outcome != Outcome.MISFIT
        ]

    # -- changing ----------------------------------------------------------------------

    def queue(self, rows: Iterable[AnyRow], hosts: Sequence[str] | None = None) -> None:
        """Let jobs wait, for a worker with one of *hosts*; those that they have, if None."""
        found = list(rows)
        names = {row.job_no: list(hosts if hosts is not None else row.hosts) for row in found}
        jobs = [
            Job(
                queue=queue_name(names[row.job_no], pair=for_pair(row.spec)),
                priority=self.row.priority,
                lock=job_lock(self.flight_id, row.job),
                queueing_lock=job_lock(self.flight_id, row.job),
                task_name=TASK,
                task_kwargs={"flight_id": self.flight_id, "job_no": row.job_no},
            )
            for row in found
        ]
        for row, job, number in zip(
            found, jobs, self.lab.defer(self.connection, jobs), strict=True
        ):
            self.set_job(
                row.job_no,
                state=State.WAITING,
                queue=job.queue,
                queue_id=number,
                since=now(),
                hosts=names[row.job_no],
            )

    def set_job(self, job_no: int, **values: Any) -> None:  # noqa: ANN401  # columns of any type
        """Change columns of a job."""
        same = (JOBS.c.flight_id == self.flight_id, JOBS.c.job_no == job_no)
        self.connection.execute(update(JOBS).where(*same).values(**values))

    def set_attempt(self, number: int, **values: Any) -> None:  # noqa: ANN401
        """Change columns of an attempt."""
        self.connection.execute(update(ATTEMPTS).where(ATTEMPTS.c.id == number).values(**values))

    def take(self, attempt: int, told: Told) -> None:
        """Write down what a run has told by now."""
        self.set_attempt(
            attempt,
            heard=now(),
            host=told.job.host,
            result=as_json(told.job),
            problems=clean(list(told.problems)),
            leak_check=as_json(told.leak_check) if told.leak_check else None,
        )
        hosts = merged_hosts(self.hosts, told.hosts)
        images = merged_images(self.images, told.images)
        if (hosts, images) == (self.hosts, self.images):
            return
        self.hosts, self.images = hosts, images
        values = {"hosts": [*map(as_json, hosts)], "images": [*map(as_json, images)]}
        same = FLIGHTS.c.flight_id == self.flight_id
        self.connection.execute(update(FLIGHTS).where(same).values(values))
        parts = flight_parts(self.number, hosts, images, ())
        replace_parts(self.connection, self.number, parts)

    def show(self, job_no: int, result: JobResult, *, over: bool = False) -> None:
        """Make *result* what the store says of a job."""
        frame = Frame(
            number=self.number,
            flight_id=self.flight_id,
            began=self.header.started,
            about=self.about,
            hosts=self.hosts,
            images=self.images,
        )
        defined = self.planned(job_no).runvars
        rows = job_rows(frame, job_no, result, over=over, defined=defined)
        replace_job(self.connection, self.number, job_no, rows)
        touch_flights(self.connection, [self.flight_id])

    def end_job(self, job_no: int, result: JobResult) -> None:
        """A job came to its end; so does its flight with the last."""
        self.set_job(job_no, state=State.ENDED, since=now(), queue_id=None, result=as_json(result))
        self.show(job_no, result, over=True)
        query = select(func.count()).where(
            JOBS.c.flight_id == self.flight_id, JOBS.c.state != State.ENDED
        )
        if not self.connection.scalar(query):
            self.write_whole(ended=now())

    def result(self, ended: datetime | None) -> FlightResult:
        """The whole flight, as it is by now."""
        jobs = [self._result_of(row) for row in self.jobs()]
        problems, checks = self._problems()
        return joined_flight(
            self.header,
            jobs,
            hosts=self.hosts,
            images=self.images,
            problems=problems,
            check=merged_checks(checks),
            ended=ended,
            now=now(),
        )

    def write_whole(self, ended: datetime | None) -> None:
        """Write all of the flight into the store: when it begins, ends, and begins again."""
        result = self.result(ended)
        stands_for = digest(result) if ended else ""
        row = flight_row(result, self.about, now(), stands_for)
        number, _ = put_flight(self.connection, row)
        defined = {job.name: job.runvars.keys() for job in self.header.jobs}
        over = {row.job for row in self.jobs() if row.state == State.ENDED}
        rows = all_rows(number, result, self.about, defined=defined, over=over)
        replace_rows(self.connection, number, rows)
        same = FLIGHTS.c.flight_id == self.flight_id
        self.connection.execute(update(FLIGHTS).where(same).values(finished=ended))

    @property
    def number(self) -> int:
        """Its number in the store; `UsageError` when somebody removed it there."""
        found = flight_number(self.connection, self.flight_id)
        if found is None:
            msg = f"flight {self.flight_id} is in the queue, and no longer in the store"
            raise UsageError(msg, hint=f"xenflight queue cancel {self.flight_id}")
        return found

    @property
    def about(self) -> About:
        """What the store knows of it beside its results."""
        return About(branch=self.row.branch, blessing=self.row.blessing, controller=self.row.owner)

    def _result_of(self, row: AnyRow) -> JobResult:
        if row.result:
            return JobResult.model_validate_json(json.dumps(row.result))
        runs = self.runs(row.job_no)
        return joined_job(runs) if runs else waiting_job(self.planned(row.job_no))

    def _problems(self) -> tuple[list[str], dict[str, StepResult]]:
        query = select(ATTEMPTS.c.job_no, ATTEMPTS.c.problems, ATTEMPTS.c.leak_check)
        query = query.where(ATTEMPTS.c.flight_id == self.flight_id).order_by(ATTEMPTS.c.id)
        problems: list[str] = []
        checks: dict[str, StepResult] = {}
        for row in self.connection.execute(query):
            name = self.planned(row.job_no).name
            problems += [f"{name}: {problem}" for problem in row.problems]
            if row.leak_check:
                checks[name] = StepResult.model_validate_json(json.dumps(row.leak_check))
        return problems, checks


def lose(flight: HeldFlight, attempt: AnyRow, status: Status, outcome: Outcome, why: str) -> None:
    """An attempt is over, and nobody will tell more of it."""
    known = attempt.result and JobResult.model_validate_json(json.dumps(attempt.result))
    result = known or waiting_job(flight.planned(attempt.job_no))
    flight.set_attempt(
        attempt.id,
        ended=now(),
        outcome=outcome,
        reason=why,
        result=as_json(cut_short(result, status, why)),
    )


def touch_flights(connection: Connection, flight_ids: Iterable[str]) -> None:
    """Say that somebody looks after these flights."""
    found = list(flight_ids)
    if found:
        same = FlightRow.flight_id.in_(found)
        connection.execute(update(FlightRow).where(same).values(heard=now()))


def forget_in_queue(connection: Connection, number: int) -> None:
    """procrastinate's job is over, as far as it is not already; it keeps none that are."""
    connection.execute(
        text(
            "SELECT procrastinate_finish_job_v1(id, 'failed', true) FROM procrastinate_jobs"
            " WHERE id = :number AND status IN ('todo', 'doing')"
        ),
        {"number": number},
    )


def as_json(record: Record) -> dict[str, Any]:
    """For a column: PostgreSQL's JSON has no NUL, either."""
    found: dict[str, Any] = clean(record.model_dump(mode="json"))
    return found


def now() -> datetime:
    """An aware time."""
    return datetime.now(UTC)
