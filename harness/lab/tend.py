"""What somebody must look after: jobs of dead workers, and jobs that wait in vain.

Every worker does, and so does who looks at the queue. Each change is a transaction of its own, in
which all is looked at once more: two who tend at the same time do no harm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as upsert

from harness.lab.flow import HeldFlight, now, touch_flights
from harness.lab.join import joined_job, unrun_job
from harness.lab.lab import Lab
from harness.lab.run import WorkerId, lost
from harness.lab.tables import FLIGHTS, FOR_PAIR, JOBS, WORKERS
from harness.lab.words import MOST_LOSSES, State, fits
from harness.status import Status
from harness.store.tables.base import AnyRow
from harness.units import human_seconds


def say_alive(lab: Lab, worker: WorkerId, concurrency: int, *, ended: bool = False) -> None:
    """Write down that a worker lives, or that it ends, and that its flights are looked after."""
    values = {"heard": now(), "ended": now() if ended else None}
    with lab.writing() as connection:
        statement = upsert(WORKERS).values(
            id=worker.number,
            name=worker.name,
            hosts=list(worker.hosts),
            concurrency=concurrency,
            began=now(),
            **values,
        )
        connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
        query = select(FLIGHTS.c.flight_id).where(FLIGHTS.c.finished.is_(None))
        touch_flights(connection, connection.scalars(query))


def take_over(lab: Lab, stalled: Iterable[tuple[int, str, int]]) -> list[str]:
    """Have other workers do what dead ones left; what was done, in words.

    *stalled*: procrastinate's number, the flight and the job's number, of each.
    """
    said = [
        lost(lab, flight_id, job_no, number, most=MOST_LOSSES)
        for number, flight_id, job_no in stalled
    ]
    return [text for text in said if text]


def starve(lab: Lab, at: datetime | None = None) -> list[str]:
    """End jobs as `starved` that waited for longer than their flight allows; what was done."""
    at = at or now()
    with lab.reading() as connection:
        workers = connection.execute(select(WORKERS.c.hosts, WORKERS.c.heard)).all()
        overdue = [row for row in _waiting(connection) if _why(row, workers, at)]
    said: list[str] = []
    for row in overdue:
        with lab.writing() as connection:
            flight = HeldFlight(lab, connection, row.flight_id)
            found = flight.job(row.job_no)
            if (found.state, found.queue_id) != (State.WAITING, row.queue_id):
                continue
            if not lab.cancel(connection, row.queue_id):
                continue
            why = _why(row, workers, at)
            result = unrun_job(flight.planned(row.job_no), Status.STARVED, why, at)
            flight.end_job(row.job_no, joined_job([*flight.runs(row.job_no), result]))
            said.append(f"{row.job} of {row.flight_id} is starved: {why}")
    return said


def _waiting(connection: Connection) -> Sequence[AnyRow]:
    columns = (
        *(JOBS.c.flight_id, JOBS.c.job_no, JOBS.c.job, JOBS.c.hosts, JOBS.c.since),
        *(JOBS.c.queue_id, FOR_PAIR, FLIGHTS.c.patience, FLIGHTS.c.longest),
    )
    query = select(*columns).join(FLIGHTS, FLIGHTS.c.flight_id == JOBS.c.flight_id)
    return connection.execute(query.where(JOBS.c.state == State.WAITING)).all()


def _why(row: AnyRow, workers: Sequence[AnyRow], at: datetime) -> str:
    """Why a waiting job has waited too long; empty when it has not."""
    hosts = ", ".join(row.hosts)
    if at - row.since > timedelta(seconds=row.longest):
        return f"no worker took it within {human_seconds(row.longest)}; it may run on {hosts}"
    fitting = [one.heard for one in workers if fits(row.hosts, one.hosts, pair=row.pair)]
    last = max([row.since, *fitting])
    if at - last > timedelta(seconds=row.patience):
        spell = human_seconds(row.patience)
        which = "two hosts" if row.pair else "a host"
        return f"for {spell} there was no worker with {which} that it may run on: {hosts}"
    return ""


class Suspects:
    """Jobs of workers that are not heard of; only who is one twice, some time apart, is dead.

    After a failure of the database all heartbeats are old, until everybody has found it again.
    """

    def __init__(self, grace: timedelta) -> None:
        self._grace = grace
        self._since: dict[int, datetime] = {}
        self._looked: datetime | None = None

    def dead(self, stalled: Collection[int], at: datetime) -> set[int]:
        """Which of these jobs are to be taken over."""
        if self._looked is None or at - self._looked > self._grace:
            self._since = {}  # we did not see the database ourselves
        self._looked = at
        self._since = {job: self._since.get(job, at) for job in stalled}
        return {job for job, since in self._since.items() if at - since >= self._grace}
