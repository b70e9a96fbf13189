"""From a flight's results to the records of the site."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from harness.results.model import FlightResult, JobResult, StepResult
from harness.results.revisions import revisions_of
from harness.results.rules import host_of
from harness.results.runs import Run, StepRun, Timing
from harness.site.archive import Head


def head_of(
    result: FlightResult,
    *,
    branch: str | None = None,
    gate_open: bool | None = None,
    heard: datetime | None = None,
    running: bool = False,
) -> Head:
    """The head of a flight; its branch is its name, if not otherwise."""
    return Head(
        flight=result.flight_id,
        name=result.flight,
        branch=branch or result.flight,
        status=result.status,
        started=result.started,
        ended=result.ended,
        duration=result.duration,
        jobs={job.name: job.status for job in result.jobs},
        hosts=tuple(host.name for host in result.hosts),
        problems=len(result.problems),
        gate_open=gate_open,
        heard=heard,
        running=running,
    )


def runs_of(result: FlightResult) -> Iterator[Run]:
    """A run for each of its jobs."""
    return (_run(result, job) for job in result.jobs)


def _run(flight: FlightResult, job: JobResult) -> Run:
    host = host_of(flight.hosts, job) if job.host or job.started else None
    return Run(
        flight=flight.flight_id,
        job=job.name,
        host=host.name if host else job.host,
        started=job.started or flight.started,
        status=job.status,
        duration=job.duration,
        steps=tuple(map(_step, job.steps)),
        revisions=revisions_of(flight, job),
        attempts=1 + len(job.attempts),
    )


def _step(step: StepResult) -> StepRun:
    return StepRun(
        testid=step.testid,
        status=step.status,
        duration=step.duration,
        failure_class=step.failure_class,
        phases=tuple(Timing(one.name, one.duration, one.status) for one in step.phases),
    )
