"""Lists of flights and runs out of the store, as tables. Foreign text is cleaned on its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from harness.cli.fitted import Column, fitted_table
from harness.errors import UsageError
from harness.flight.hints import did_you_mean
from harness.report.words import STYLES, plain, status_text
from harness.status import WORST_FIRST, Status
from harness.store.look import FlightLine, JobLine
from harness.store.names import job_names, jobs_of, step_names
from harness.store.store import Transaction
from harness.units import human_seconds


def plain_data(value: Any) -> Any:  # noqa: ANN401  # any dataclass of ours
    """*value* as JSON knows it: times in ISO 8601, words as text."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain_data(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_data(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Status) else value


def when(time: datetime) -> str:
    """For a column: in UTC, to the minute."""
    return f"{time:%Y-%m-%d %H:%M}"


def table_of(*columns: str, right: Sequence[str] = ()) -> Table:
    """A table in the way of all our verbs."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        justify = "right" if column in right else "left"
        table.add_column(column, no_wrap=True, overflow="fold", justify=justify)  # type: ignore[arg-type]
    return table


def flights_table(lines: Sequence[FlightLine], width: int) -> Table:
    """A line for each flight."""

    def state(line: FlightLine) -> Text:
        return Text("running", style="bold") if line.running else status_text(line.status)

    columns = (
        Column(name="no", cells=[Text(str(line.number)) for line in lines], right=True),
        Column(name="status", cells=[state(line) for line in lines]),
        Column(name="flight", cells=[plain(line.flight_id) for line in lines]),
        Column(name="began", cells=[Text(when(line.started)) for line in lines], rank=1),
        Column(
            name="time",
            cells=[Text(human_seconds(line.duration)) for line in lines],
            rank=3,
            right=True,
        ),
        Column(name="jobs", cells=[counts_text(line.jobs) for line in lines], rank=2),
        Column(name="branch", cells=[plain(line.branch) for line in lines], rank=4),
        Column(name="blessing", cells=[plain(line.blessing) for line in lines], rank=7),
        Column(name="host", cells=[plain(", ".join(line.hosts) or "-") for line in lines], rank=6),
        Column(name="xen", cells=[plain(", ".join(line.xen) or "-") for line in lines], rank=5),
        Column(name="gate", cells=[Text(line.gate or "-") for line in lines], rank=4),
    )
    return fitted_table(columns, width)


def counts_text(jobs: Mapping[Status, int]) -> Text:
    """``5 pass, 1 fail``: the best last, for the eye goes to the rest."""
    words = [
        Text(f"{jobs[status]} {status}", style=STYLES[status])
        for status in WORST_FIRST
        if jobs.get(status)
    ]
    return Text(", ").join(words)


def history_words(lines: Sequence[JobLine]) -> str:
    """What the table says, in a sentence: how often it passed, and since when it does not."""
    if not lines:
        return "it did not run there"
    counts = {status: sum(line.status is status for line in lines) for status in Status}
    told = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
    words = f"{len(lines)} run{'s' if len(lines) > 1 else ''}: {told}"
    if lines[0].status is Status.PASS:
        return words
    passed = next((line for line in lines if line.status is Status.PASS), None)
    if passed is None:
        return f"{words}; no pass among them"
    first = lines[lines.index(passed) - 1]
    return (
        f"{words}; last pass {when(passed.started)} in {passed.flight_id},"
        f" since then first {first.status} {when(first.started)} in {first.flight_id}"
    )


def history_table(lines: Sequence[JobLine], width: int) -> Table:
    """A line for each run."""

    def named(line: JobLine) -> Text:
        again = f" (attempt {line.attempt})" if line.attempt > 1 else ""
        return plain(line.flight_id + again)

    columns = (
        Column(name="began", cells=[Text(when(line.started)) for line in lines]),
        Column(name="status", cells=[status_text(line.status) for line in lines]),
        Column(
            name="time",
            cells=[Text(human_seconds(line.duration)) for line in lines],
            rank=2,
            right=True,
        ),
        Column(name="host", cells=[plain(line.host or "-") for line in lines], rank=4),
        Column(name="xen", cells=[plain(line.xen or "-") for line in lines], rank=5),
        Column(name="flight", cells=[named(line) for line in lines], rank=3),
        Column(name="what", cells=[plain(_what(line)) for line in lines], rank=1, least=24),
    )
    return fitted_table(columns, width)


def demand_known(connection: Transaction, job: str, step: str | None) -> None:
    """`UsageError`, with what was probably meant, for a job or step that there never was."""
    known = job_names(connection)
    if job not in known:
        rest = did_you_mean(job, known) if known else ": it has no flights yet"
        msg = f"no flight in the store had a job {job!r}{rest}"
        raise UsageError(msg)
    steps = step_names(connection, job)
    if step is not None and step not in steps:
        msg = f"{job} never had a step {step!r}{did_you_mean(step, steps)}"
        raise UsageError(msg)


def demand_job(connection: Transaction, flight: str, job: str) -> None:
    """`UsageError`, with what was probably meant, when *flight*, an id, has no such job."""
    known = jobs_of(connection, flight)
    if job not in known:
        msg = f"flight {flight} has no job {job!r}{did_you_mean(job, known)}"
        raise UsageError(msg)


def _what(line: JobLine) -> str:
    if line.status is Status.PASS:
        return ""
    parts = (line.testid, line.failure_class, line.reason)
    return ": ".join(part for part in parts if part)
