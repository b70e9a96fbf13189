"""What flights say of themselves: reading their results for the benchmark."""

from __future__ import annotations

from harness.bench.model import Better, Finding
from harness.results.model import FlightResult

SNAPSHOT_GOAL = 3.0
SHARE_GOAL = 85.0


def snapshot_finding(flights: list[FlightResult]) -> Finding:
    """Seconds that the thin snapshot of a job took, the best of *flights*."""
    times = [
        phase.duration
        for flight in flights
        for job in flight.jobs
        for step in job.steps
        for phase in step.phases
        if phase.name == "scratch"
    ]
    return Finding(
        name="thin snapshot for a job",
        value=min(times),
        unit="s",
        goal=SNAPSHOT_GOAL,
        better=Better.LOWER,
        details=", ".join(f"{seconds:.1f} s" for seconds in times),
    )


def share_finding(flight: FlightResult) -> Finding:
    """How much of a flight with warm caches was spent waiting for its guest, in percent."""
    waited = sum(job.waits.get("guest", 0.0) for job in flight.jobs)
    return Finding(
        name="second run: waiting for the guest",
        value=100 * waited / flight.duration,
        unit="% of the run",
        goal=SHARE_GOAL,
        better=Better.HIGHER,
        details=f"{waited:.1f} s of {flight.duration:.1f} s",
    )


def job_seconds(flight: FlightResult) -> float:
    """From the beginning of the flight's only job to the end of its teardown."""
    (job,) = flight.jobs
    return job.duration
