"""How far a flight is, in a few lines: for another terminal, and on SIGUSR1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from harness.report.evidence import one_line
from harness.results.model import FlightResult, JobResult
from harness.results.progress import Progress, is_over, progress_of
from harness.results.rules import HARMLESS
from harness.status import WORST_FIRST, Status
from harness.units import human_seconds

QUIET = timedelta(minutes=2)
"""A flight that has said nothing for longer is told to have been silent."""


def status_lines(
    result: FlightResult, *, now: datetime, heard: datetime | None = None
) -> Sequence[str]:
    """Of a flight that runs: how far it is, what runs, and what did not pass; of one that has
    ended: how.

    *heard*: when it wrote down something last.
    """
    if result.ended is not None:
        words = _counts(result.jobs)
        took = human_seconds(result.duration)
        return [f"{result.flight_id}: ended with {result.status} after {took}; {words}"]
    progress = progress_of(result)
    return [
        _head(result, progress, now, heard),
        *(_doing(one.job, one.testid, one.since, now, result) for one in progress.doing),
        *_bad(result),
    ]


def _head(result: FlightResult, progress: Progress, now: datetime, heard: datetime | None) -> str:
    since = human_seconds(max(0.0, (now - result.started).total_seconds()))
    over = [job for job in result.jobs if is_over(job)]
    words = [
        f"{result.flight_id}: running for {since}",
        f"{progress.done} of {progress.steps} steps",
        f"{progress.jobs_done} of {progress.jobs} jobs over"
        + (f" ({_counts(over)})" if over else ""),
    ]
    if heard and now - heard > QUIET:
        words.append(f"silent for {human_seconds((now - heard).total_seconds())}")
    return ", ".join(words)


def _doing(job: str, testid: str, since: datetime, now: datetime, result: FlightResult) -> str:
    host = next((one.host for one in result.jobs if one.name == job), None)
    where = f" on {host}" if host else ""
    took = human_seconds(max(0.0, (now - since).total_seconds()))
    return f"  {job}{where}: {testid} for {took}"


def _bad(result: FlightResult) -> Iterator[str]:
    for job in result.jobs:
        for step in job.steps:
            known = step.status not in {*HARMLESS, Status.ABORTED, Status.BLOCKED}
            if known:
                reason = one_line(step.reason or "nobody said why")
                yield f"  {job.name}: {step.testid} {step.status}: {reason}"
                break
    yield from (f"  the lab: {one_line(problem)}" for problem in result.problems)


def _counts(jobs: Sequence[JobResult]) -> str:
    found = Counter(job.status for job in jobs)
    return ", ".join(f"{found[status]} {status}" for status in WORST_FIRST if found[status])
