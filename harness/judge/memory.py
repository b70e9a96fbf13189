"""History in memory: for tests, for the benchmark, and for what was read from directories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from harness.judge.history import FlightRecord, JobRecord, Revisions, StepRun
from harness.status import Status


def newest_first(record: FlightRecord | JobRecord | StepRun) -> tuple[float, str]:
    """What to sort by. Flights that started in the same moment are told apart by their ids."""
    return -record.started.timestamp(), record.flight


class MemoryHistory:
    """`History` over *flights*; their order does not matter. `ValueError` for a flight twice."""

    def __init__(self, flights: Iterable[FlightRecord]) -> None:
        self._flights: dict[str, FlightRecord] = {}
        self._branches: dict[str, list[FlightRecord]] = {}
        self._passes: dict[tuple[str, str, str], list[JobRecord]] = {}
        """The runs of a job in which some step passed, by each one of their revisions."""
        self._branch_jobs: dict[tuple[str, str], list[JobRecord]] = {}
        for record in sorted(flights, key=newest_first):
            if record.flight in self._flights:
                msg = f"flight {record.flight} is there twice"
                raise ValueError(msg)
            self._flights[record.flight] = record
            self._branches.setdefault(record.branch, []).append(record)
            for job in record.jobs:
                self._index_passes(job)
                self._branch_jobs.setdefault((job.job, job.branch), []).append(job)
        for jobs in (*self._passes.values(), *self._branch_jobs.values()):
            jobs.sort(key=newest_first)

    def _index_passes(self, job: JobRecord) -> None:
        if any(step.status is Status.PASS for step in job.steps):
            for tree, revision in job.revisions.items():
                self._passes.setdefault((job.job, tree, revision), []).append(job)

    def flights(self, branch: str, before: datetime | None, limit: int) -> Sequence[str]:
        """See `History`."""
        found = self._branches.get(branch, ())
        earlier = (one.flight for one in found if before is None or one.started < before)
        return list(islice(earlier, limit))

    def flight(self, flight: str) -> FlightRecord | None:
        """See `History`."""
        return self._flights.get(flight)

    def job_history(self, job: str, branch: str, limit: int) -> Sequence[JobRecord]:
        """See `History`."""
        return self._branch_jobs.get((job, branch), [])[:limit]

    def step_history(
        self, job: str, testid: str, branch: str, limit: int | None
    ) -> Sequence[StepRun]:
        """See `History`. Looked up when somebody asks: most steps pass, and nobody does."""
        runs = _runs(self._branch_jobs.get((job, branch), ()), testid)
        return list(islice(runs, limit))

    def baseline(self, branch: str, before: datetime) -> str | None:
        """See `History`."""
        found = self._branches.get(branch, ())
        opened = (one.flight for one in found if one.gate_open and one.started < before)
        return next(opened, None)

    def passes_at(self, revisions: Revisions, job: str) -> Sequence[JobRecord]:
        """See `History`."""
        wanted = revisions.items()
        groups = [self._passes.get((job, *item), []) for item in wanted]
        fewest = min(groups, key=len, default=[])
        return [record for record in fewest if wanted <= record.revisions.items()]


def _runs(jobs: Iterable[JobRecord], testid: str) -> Iterator[StepRun]:
    for job in jobs:
        for step in job.steps:
            if step.testid == testid:
                yield run_of(job, step.status, step.fingerprint)
                break


def run_of(job: JobRecord, status: Status, fingerprint: str | None = None) -> StepRun:
    """A run of one of *job*'s steps."""
    return StepRun(
        job.flight,
        job.branch,
        job.blessing,
        job.host,
        job.started,
        job.revisions,
        status,
        fingerprint,
    )
