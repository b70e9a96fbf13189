"""The lab's queue as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TypedDict

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness.lab.lab import Lab
from harness.lab.look import (
    LabWorker,
    QueuedFlight,
    QueuedJob,
    find_queued,
    lab_workers,
    queued_flights,
    queued_jobs,
)
from harness.lab.worker import STALLED
from harness.units import human_seconds


class QueueData(TypedDict):
    """What is shown."""

    flights: list[QueuedFlight]
    jobs: list[QueuedJob]
    workers: list[LabWorker]


def queue_data(lab: Lab, word: str | None) -> QueueData:
    """Of one flight, or all that waits and runs; `UsageError` when there is no such flight."""
    with lab.reading() as connection:
        flight_id = find_queued(connection, word) if word else None
        flights = queued_flights(connection)
        return {
            "flights": [one for one in flights if flight_id in (None, one.flight_id)],
            "jobs": queued_jobs(connection, flight_id, STALLED),
            "workers": lab_workers(connection, STALLED),
        }


def queue_tables(data: QueueData, width: int) -> Iterator[RenderableType]:
    """For a terminal, or a pipe."""
    now = datetime.now(UTC)
    if not data["flights"]:
        yield Text("the queue is empty")
    else:
        yield _flights(data["flights"], now, width)
    if data["jobs"]:
        yield Text("")
        yield _jobs(data["jobs"], now, width)
    yield Text("")
    yield _workers(data["workers"], now, width) if data["workers"] else Text("no worker lives")


def _table(names: Sequence[str], width: int) -> Table:
    table = Table(box=None, pad_edge=False, width=min(width, 240), expand=False)
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _flights(flights: Sequence[QueuedFlight], now: datetime, width: int) -> Table:
    table = _table(("flight", "priority", "submitted", "by", "jobs"), width)
    for one in flights:
        counts = ", ".join(f"{n} {state}" for state, n in sorted(one.jobs.items()))
        ago = _ago(one.submitted, now)
        _row(table, one.flight_id, str(one.priority), ago, one.owner, counts)
    return table


def _jobs(jobs: Sequence[QueuedJob], now: datetime, width: int) -> Table:
    several = len({job.flight_id for job in jobs}) > 1
    names = ("job", "state", "since", "hosts", "worker", "tries", "note")
    table = _table((*(("flight",) if several else ()), *names), width)
    for one in jobs:
        words = (
            one.job,
            one.status or one.shown.value,
            _ago(one.since, now),
            ",".join(one.hosts),
            one.worker,
            str(one.attempts),
            one.note,
        )
        _row(table, *((one.flight_id,) if several else ()), *words)
    return table


def _workers(workers: Sequence[LabWorker], now: datetime, width: int) -> Table:
    table = _table(("worker", "hosts", "at work", "since", "heard of"), width)
    for one in workers:
        busy = f"{one.running} of {one.concurrency}"
        times = (_ago(one.began, now), _ago(one.heard, now))
        _row(table, one.name, ",".join(one.hosts), busy, *times)
    return table


def _row(table: Table, *texts: str) -> None:
    # As text: what came from a guest or a host is no markup.
    table.add_row(*map(Text, texts))


def _ago(at: datetime, now: datetime) -> str:
    return f"{human_seconds(max(0.0, (now - at).total_seconds()))} ago"
