"""What flights' directories know of how long jobs took: for who has no store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

from harness.errors import UsageError
from harness.judge.runs import flight_directories
from harness.results.attempts import attempts_of
from harness.results.layout import FlightDirectory
from harness.results.load import load_results
from harness.results.model import FlightResult
from harness.results.rules import host_name
from harness.schedule.estimate import Sample, own_time

DIRECTORIES = 30
"""Flights of which results are read, the newest: each takes milliseconds."""


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
