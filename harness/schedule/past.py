"""What an estimator goes by: samples from the store, or from flights' directories without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC
from pathlib import Path

from harness.errors import UsageError, XenflightError
from harness.flight.plan import Plan
from harness.judge.runs import flight_directories
from harness.results.attempts import attempts_of
from harness.results.layout import FlightDirectory
from harness.results.load import load_results
from harness.results.model import FlightResult
from harness.results.rules import host_name
from harness.schedule.estimate import WAITS, Estimator, Sample

RUNS = Path("reports/runs")
DIRECTORIES = 30
"""Flights of which results are read, the newest: each takes milliseconds."""


def expecting(
    plan: Plan, *, branch: str | None = None, store: str | None = None, runs: Path = RUNS
) -> Plan:
    """*plan*, and what is to be expected of its jobs, by what its *branch* did so far.

    *store* is as `harness.store.url.find_store` has it; without one what is in *runs* is taken.
    A history that can't be read is none: it decides in what order jobs run, and not which.
    """
    samples: list[Sample] = []
    # Of simulated hosts nothing is in the store.
    if not plan.simulated:
        found = from_store(store, branch or plan.flight)
        samples = list(from_runs(runs, plan.flight)) if found is None else found
    jobs = [job for job in plan.jobs if not job.skip]
    (only, *more) = plan.hosts
    estimator = Estimator(samples, plan.created)
    expected = estimator.expectations(jobs, None if more else only.name)
    names = (job.name for job in jobs)
    return replace(plan, expected=dict(zip(names, expected, strict=True)))


def from_store(store: str | None, branch: str) -> list[Sample] | None:
    """What the store knows of *branch*; None where there is no store, or none that can be read."""
    # Imported only now: SQLAlchemy takes longer than all else of a plan.
    from harness.store.durations import durations
    from harness.store.store import present_store

    try:
        chosen = present_store(store)
        if chosen is None:
            return None
        with chosen, chosen.reading() as connection:
            return [
                Sample(*one[:7], seconds=own_time(one.seconds, one.waits))
                for one in durations(connection, branch)
            ]
    except XenflightError:
        # That it can't be read is told of by who writes to it.
        return None


def from_runs(runs: Path, flight: str) -> Iterator[Sample]:
    """What the directories below *runs* know of the flight of that name."""
    mine = (path for path in flight_directories(runs) if path.name.startswith(f"{flight}-"))
    for _, path in zip(range(DIRECTORIES), mine, strict=False):
        try:
            result = load_results(FlightDirectory(path).results)
        except UsageError:
            continue
        if result.flight == flight and not result.simulated:
            yield from samples_of(result)


def samples_of(result: FlightResult) -> Iterator[Sample]:
    """Each attempt of each job of a flight."""
    for job in result.jobs:
        for attempt in attempts_of(job):
            yield Sample(
                job=job.name,
                suite=job.suite,
                virt=job.virt,
                arch=job.arch,
                host=host_name(result.hosts, attempt),
                at=attempt.started or result.started.astimezone(UTC),
                status=attempt.status,
                seconds=own_time(attempt.duration, attempt.waits),
            )


def own_time(seconds: float, waits: Mapping[str, float]) -> float:
    """*seconds* without those in which the job waited for others."""
    return max(0.0, seconds - sum(waits.get(name, 0.0) for name in WAITS))
