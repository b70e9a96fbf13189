"""How long jobs took: what an estimator of durations needs of history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, select

from harness.status import Status
from harness.store.tables import AttemptRow, FlightRow, JobRow

FLIGHTS = 40
"""Of a branch, the newest: three weeks of two a day."""
MOST = 200_000
"""Runs of jobs."""
_STATUS = {status.value: status for status in Status}


class Took(NamedTuple):
    """One attempt of a job. *seconds* are all of them, *waits* those of its phases of waiting."""

    job: str
    suite: str
    virt: str
    arch: str
    host: str | None
    at: datetime
    status: Status
    seconds: float
    waits: Mapping[str, Any]


def durations(connection: Connection, branch: str) -> list[Took]:
    """The attempts in the newest flights of *branch*, the newest flight first."""
    newest = (
        select(FlightRow.id)
        .where(FlightRow.branch == branch)
        .order_by(FlightRow.started.desc(), FlightRow.id.desc())
        .limit(FLIGHTS)
    )
    same = and_(JobRow.flight == AttemptRow.flight, JobRow.job_no == AttemptRow.job_no)
    query = (
        select(
            AttemptRow.job,
            JobRow.suite,
            JobRow.virt,
            JobRow.arch,
            AttemptRow.host,
            AttemptRow.at,
            AttemptRow.status,
            AttemptRow.duration,
            AttemptRow.waits,
        )
        .join(JobRow, same)
        .where(AttemptRow.flight.in_(newest.scalar_subquery()), AttemptRow.over)
        .order_by(AttemptRow.flight.desc())
        .limit(MOST)
    )
    return [
        Took(job, suite, virt, arch, host, at, _STATUS[status], seconds, waits or {})
        for job, suite, virt, arch, host, at, status, seconds, waits in connection.execute(query)
    ]
