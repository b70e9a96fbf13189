"""How far a flight is that still runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from harness.results.model import FlightResult, JobResult
from harness.status import Status


@dataclass(frozen=True, kw_only=True)
class Doing:
    """A step that runs now, as far as its flight has said."""

    job: str
    testid: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Steps that are over, of how many; and those that run."""

    done: int
    steps: int
    jobs_done: int
    jobs: int
    doing: tuple[Doing, ...]


def progress_of(result: FlightResult) -> Progress:
    """Of a flight that has not ended: in its results a step that is not over reads `aborted`
    (docs/results.md), with a begin if it has begun."""
    steps = [step for job in result.jobs for step in job.steps]
    return Progress(
        done=sum(step.status is not Status.ABORTED for step in steps),
        steps=len(steps),
        jobs_done=sum(is_over(job) for job in result.jobs),
        jobs=len(result.jobs),
        doing=tuple(_doing(result)),
    )


def is_over(job: JobResult) -> bool:
    """Whether none of its steps is still to come."""
    return all(step.status is not Status.ABORTED for step in job.steps)


def _doing(result: FlightResult) -> Iterator[Doing]:
    for job in result.jobs:
        for step in job.steps:
            if step.status is Status.ABORTED and step.started:
                yield Doing(job=job.name, testid=step.testid, since=step.started)
