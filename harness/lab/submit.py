"""Queueing a flight: all of it in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select

from harness.errors import UsageError
from harness.flight.plan import Plan, job_dict
from harness.lab.flow import HeldFlight, as_json, now
from harness.lab.join import unrun_job
from harness.lab.lab import Lab
from harness.lab.payload import pack_plan
from harness.lab.tables import FLIGHTS, JOBS
from harness.lab.words import State, fits, for_pair, queue_name
from harness.results.belonging import ADHOC
from harness.results.events import FlightHeader
from harness.status import Status

PATIENCE = timedelta(hours=1)
LONGEST = timedelta(hours=24)
PRIORITIES = range(-1000, 1001)
SIMULATED = "simulated"
"""The blessing of flights on simulated hosts: no history goes by them."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How a flight is queued."""

    owner: str
    """Who submits it, such as ``ada@ci7``."""
    branch: str
    blessing: str = ADHOC
    priority: int = 0
    """Higher ones first."""
    patience: timedelta = PATIENCE
    """So long a job waits while no worker has a host for it; then it is `starved`."""
    longest: timedelta = LONGEST
    """So long it waits in all."""


def submit(lab: Lab, plan: Plan, header: FlightHeader, terms: Terms) -> int:
    """Queue the jobs of *plan*; how many wait now.

    Jobs that cannot run anywhere are skipped at once. `UsageError` when the flight is queued
    already, or for what can't be queued.
    """
    if terms.priority not in PRIORITIES:
        msg = f"a priority is between {PRIORITIES[0]} and {PRIORITIES[-1]}"
        raise UsageError(msg)
    hosts = [host.name for host in plan.hosts]
    packed = pack_plan(plan)
    with lab.writing() as connection:
        there = select(FLIGHTS.c.flight_id).where(FLIGHTS.c.flight_id == plan.flight_id)
        if connection.scalar(there) is not None:
            msg = f"flight {plan.flight_id} is queued already; nothing was changed"
            raise UsageError(msg)
        connection.execute(
            insert(FLIGHTS).values(
                flight_id=plan.flight_id,
                plan=packed,
                header=as_json(header),
                branch=terms.branch,
                blessing=SIMULATED if plan.simulated else terms.blessing,
                priority=terms.priority,
                patience=terms.patience.total_seconds(),
                longest=terms.longest.total_seconds(),
                submitted=now(),
                owner=terms.owner,
                hosts=[],
                images=[],
            )
        )
        connection.execute(insert(JOBS), _rows(plan, hosts))
        flight = HeldFlight(lab, connection, plan.flight_id)
        flight.write_whole(ended=None)
        flight.queue(row for row in flight.jobs() if not _why_not(row.spec, hosts))
        for row in flight.jobs():
            if why := _why_not(row.spec, hosts):
                planned = flight.planned(row.job_no)
                flight.end_job(row.job_no, unrun_job(planned, Status.SKIP, why, now()))
        return sum(not _why_not(row.spec, hosts) for row in flight.jobs())


def _why_not(spec: Mapping[str, Any], hosts: Sequence[str]) -> str:
    """Why a job can't run on any of *hosts*; empty when it can."""
    if not spec["skip"] and not fits(hosts, hosts, pair=for_pair(spec)):
        return f"it needs a second host (peer), and the flight has one: {', '.join(hosts)}"
    return spec["skip"] or ""


def _rows(plan: Plan, hosts: Sequence[str]) -> list[dict[str, object]]:
    return [
        {
            "flight_id": plan.flight_id,
            "job_no": job_no,
            "job": job.name,
            "spec": job_dict(job),
            "hosts": list(hosts),
            "queue": queue_name(hosts, pair=bool(job.peer)),
            "state": State.WAITING,
            "since": now(),
            "losses": 0,
            "misfits": {},
        }
        for job_no, job in enumerate(plan.jobs)
    ]
