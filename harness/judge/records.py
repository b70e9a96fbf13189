"""Results of flights as records of history."""

from __future__ import annotations

from harness.judge.history import FlightRecord, JobRecord, StepRecord
from harness.results.attempts import attempts_of
from harness.results.belonging import ADHOC
from harness.results.fingerprint import fingerprint, names_of
from harness.results.model import FlightResult, JobResult
from harness.results.revisions import revisions_of
from harness.results.rules import host_name, problems_of
from harness.status import Status


def flight_record(
    result: FlightResult,
    *,
    branch: str | None = None,
    blessing: str = ADHOC,
    gate_open: bool | None = None,
) -> FlightRecord:
    """A flight's results as a record. Its branch is the flight's name, if not otherwise."""
    branch = branch or result.flight
    jobs = (
        _job_record(result, attempt, branch, blessing)
        for job in result.jobs
        for attempt in attempts_of(job)
    )
    return FlightRecord(
        flight=result.flight_id,
        branch=branch,
        blessing=blessing,
        started=result.started,
        jobs=tuple(jobs),
        ended=result.ended is not None and result.status is not Status.ABORTED,
        problems=problems_of(result.problems, result.leak_check),
        gate_open=gate_open,
    )


def _job_record(flight: FlightResult, job: JobResult, branch: str, blessing: str) -> JobRecord:
    names = names_of(flight, job)
    return JobRecord(
        flight=flight.flight_id,
        branch=branch,
        blessing=blessing,
        job=job.name,
        host=host_name(flight.hosts, job),
        started=job.started or flight.started,
        revisions=revisions_of(flight, job),
        steps=tuple(
            StepRecord(
                testid=step.testid,
                status=step.status,
                duration=step.duration,
                fingerprint=fingerprint(step, names),
            )
            for step in job.steps
        ),
        status=job.status,
    )
