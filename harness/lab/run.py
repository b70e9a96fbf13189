"""One attempt of a job, as the lab knows it: begun, followed, ended."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from harness.lab.flow import HeldFlight, forget_in_queue, lose, now
from harness.lab.join import joined_job, unrun_job
from harness.lab.lab import Lab
from harness.lab.tables import ATTEMPTS, FILES, WORKERS
from harness.lab.told import Told
from harness.lab.words import Outcome, State, fits, for_pair
from harness.results.events import PlannedJob
from harness.status import Status
from harness.store.tables.base import AnyRow

_ELSEWHERE = frozenset({Status.BROKEN, Status.STARVED})
_STOPPED = "its worker was told to stop"


@dataclass(frozen=True, kw_only=True)
class WorkerId:
    """Who does it."""

    number: int
    """procrastinate's."""
    name: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What a worker is to do."""

    attempt: int
    flight_id: str
    planned: PlannedJob
    plan: Mapping[str, Any]
    spec: Mapping[str, Any]
    hosts: tuple[str, ...]
    """Those of the job that the worker has."""

    @property
    def job(self) -> str:
        """The job's name."""
        return self.planned.name


def begin(lab: Lab, flight_id: str, job_no: int, number: int, worker: WorkerId) -> Begun | None:
    """Begin what procrastinate gave us as *number*; None when that is not wanted any more."""
    with lab.writing() as connection:
        flight = HeldFlight(lab, connection, flight_id)
        row = flight.job(job_no)
        if row.state != State.WAITING or row.queue_id != number:
            return None
        flight.set_job(job_no, state=State.RUNNING, since=now())
        made = connection.scalar(
            insert(ATTEMPTS)
            .values(
                flight_id=flight_id,
                job_no=job_no,
                run_id="",
                worker_id=worker.number,
                worker=worker.name,
                began=now(),
                heard=now(),
                problems=[],
            )
            .returning(ATTEMPTS.c.id)
        )
        assert made is not None
        return Begun(
            attempt=made,
            flight_id=flight_id,
            planned=flight.planned(job_no),
            plan=flight.row.plan,
            spec=row.spec,
            hosts=tuple(name for name in row.hosts if name in worker.hosts),
        )


def started(lab: Lab, begun: Begun, run_id: str, directory: Path) -> None:
    """Its process is about to be started."""
    with lab.writing() as connection:
        flight = HeldFlight(lab, connection, begun.flight_id)
        flight.set_attempt(begun.attempt, run_id=run_id, directory=str(directory))


def follow(lab: Lab, begun: Begun, told: Told) -> bool:
    """Tell what is known by now; False when the attempt is not ours any more."""
    with lab.writing() as connection:
        flight = HeldFlight(lab, connection, begun.flight_id)
        attempt = _open_attempt(connection, begun.attempt)
        if attempt is None:
            return False
        flight.take(begun.attempt, told)
        flight.show(attempt.job_no, joined_job(flight.runs(attempt.job_no)))
        return True


def store_files(lab: Lab, begun: Begun, files: Mapping[str, bytes]) -> None:
    """Keep what it left, for who is on another machine."""
    rows = [
        {"attempt": begun.attempt, "path": path, "packed": gzip.compress(data, 6)}
        for path, data in files.items()
    ]
    with lab.writing() as connection:
        if rows and _open_attempt(connection, begun.attempt) is not None:
            connection.execute(insert(FILES), rows)


def end(
    lab: Lab, begun: Begun, told: Told, worker: WorkerId, *, given_back: bool = False
) -> Outcome | None:
    """The attempt is over: the job ends, or waits again; None when it was not ours any more."""
    with lab.writing() as connection:
        flight = HeldFlight(lab, connection, begun.flight_id)
        attempt = _open_attempt(connection, begun.attempt)
        if attempt is None:
            return None
        flight.take(begun.attempt, told)
        row = flight.job(attempt.job_no)
        outcome, why, hosts = _decide(row, told, worker, given_back=given_back)
        flight.set_attempt(begun.attempt, ended=now(), outcome=outcome, reason=why or None)
        if outcome is Outcome.MISFIT:
            misfits = {**row.misfits, "; ".join(begun.hosts): why}
            flight.set_job(row.job_no, misfits=misfits)
            if not hosts:
                skipped = unrun_job(
                    flight.planned(row.job_no), Status.SKIP, "; ".join(misfits.values()), now()
                )
                runs = flight.runs(row.job_no)
                flight.end_job(row.job_no, joined_job([*runs, skipped]))
                return outcome
        if hosts:
            flight.queue([row], hosts)
            runs = flight.runs(row.job_no)
            if runs:
                flight.show(row.job_no, joined_job(runs))
        else:
            flight.end_job(row.job_no, joined_job(flight.runs(row.job_no)))
        return outcome


def lost(lab: Lab, flight_id: str, job_no: int, number: int, *, most: int) -> str:
    """The worker that had procrastinate's job *number* is dead: another gets it. What was done.

    Empty when that job was not its flight's any more.
    """
    with lab.writing() as connection:
        flight = HeldFlight(lab, connection, flight_id)
        row = flight.job(job_no)
        forget_in_queue(connection, number)
        if row.queue_id != number or row.state == State.ENDED:
            return ""
        attempt = _running(connection, flight_id, job_no)
        why = "its worker was lost"
        if attempt:
            last = _last(connection, attempt)
            why = f"its worker {attempt.worker} was lost: last heard of at {last}"
            status = Status.ABORTED if row.cancelled else Status.BROKEN
            lose(flight, attempt, status, Outcome.LOST, why)
        losses = row.losses + 1
        flight.set_job(job_no, losses=losses)
        runs = flight.runs(job_no)
        if row.cancelled or losses >= most:
            told = (
                f"cancelled by {row.cancelled}" if row.cancelled else f"{losses} workers were lost"
            )
            status = Status.ABORTED if row.cancelled else Status.BROKEN
            ended = runs or [unrun_job(flight.planned(job_no), status, told, now())]
            flight.end_job(job_no, joined_job(ended))
            return f"{row.job}: {told}"
        flight.queue([row])
        if runs:
            flight.show(job_no, joined_job(runs))
        return f"{row.job} waits again: {why}"


def _decide(
    row: AnyRow, told: Told, worker: WorkerId, *, given_back: bool
) -> tuple[Outcome, str, Sequence[str]]:
    """What became of the attempt, why, and the hosts for which the job waits again, if any."""
    job = told.job
    elsewhere = [name for name in row.hosts if name not in worker.hosts]
    if not fits(elsewhere, elsewhere, pair=for_pair(row.spec)):
        elsewhere = []
    if row.cancelled:
        return Outcome.DONE, f"cancelled by {row.cancelled}", ()
    if given_back and job.status is Status.ABORTED:
        return Outcome.GIVEN_BACK, _STOPPED, row.hosts
    if job.status is Status.SKIP and not row.spec["skip"]:
        return Outcome.MISFIT, job.reason or "", elsewhere
    if job.status in _ELSEWHERE:
        return Outcome.DONE, job.reason or "", elsewhere
    return Outcome.DONE, "", ()


def _open_attempt(connection: Connection, number: int) -> AnyRow | None:
    query = select(ATTEMPTS).where(ATTEMPTS.c.id == number, ATTEMPTS.c.outcome.is_(None))
    return connection.execute(query).one_or_none()


def _running(connection: Connection, flight_id: str, job_no: int) -> AnyRow | None:
    query = select(ATTEMPTS).where(
        ATTEMPTS.c.flight_id == flight_id,
        ATTEMPTS.c.job_no == job_no,
        ATTEMPTS.c.outcome.is_(None),
    )
    return connection.execute(query.order_by(ATTEMPTS.c.id.desc()).limit(1)).one_or_none()


def _last(connection: Connection, attempt: AnyRow) -> str:
    heard = connection.scalar(select(WORKERS.c.heard).where(WORKERS.c.id == attempt.worker_id))
    return f"{(heard or attempt.heard):%Y-%m-%d %H:%M:%S} UTC"
