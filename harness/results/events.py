"""The events of a flight, as they stand in ``events.jsonl``, one a line."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from harness.results.model import (
    EvidenceResult,
    HostFacts,
    ImageFacts,
    Record,
    Seconds,
    StepResult,
    UtcTime,
    Words,
)
from harness.status import Status


class PlannedJob(Record):
    """A job as it was planned."""

    name: Words
    suite: Words
    dist: Words
    arch: Words
    virt: Words
    boot: Words
    steps: tuple[Words, ...]
    """The testids that the suite will run, in order."""
    runvars: dict[Words, Words] = Field(default_factory=dict)
    console_log: Words | None = None
    """Path relative to the flight's directory."""


class FlightHeader(Record):
    """What is known of a flight before it starts."""

    flight_id: Words
    flight: Words
    started: UtcTime
    harness_version: Words
    revision: Words | None = None
    command: Words
    jobs: tuple[PlannedJob, ...]


class FlightStarted(Record):
    event: Literal["flight-started"] = "flight-started"
    at: UtcTime
    header: FlightHeader


class HostKnown(Record):
    event: Literal["host-known"] = "host-known"
    at: UtcTime
    host: HostFacts


class ImageReady(Record):
    event: Literal["image-ready"] = "image-ready"
    at: UtcTime
    image: ImageFacts


class StepStarted(Record):
    event: Literal["step-started"] = "step-started"
    at: UtcTime
    job: Words
    testid: Words


class StepFinished(Record):
    event: Literal["step-finished"] = "step-finished"
    at: UtcTime
    job: Words
    step: StepResult


class JobEnded(Record):
    event: Literal["job-ended"] = "job-ended"
    at: UtcTime
    job: Words
    host: Words | None = None
    runvars: dict[Words, Words] = Field(default_factory=dict)
    kept: bool = False
    waits: dict[Words, Seconds] = Field(default_factory=dict)
    evidence: EvidenceResult | None = None


class JobRetried(Record):
    """What was told of the job so far is an attempt of its own; it begins anew."""

    event: Literal["job-retried"] = "job-retried"
    at: UtcTime
    job: Words


class Problem(Record):
    event: Literal["problem"] = "problem"
    at: UtcTime
    text: Words


class FlightChecked(Record):
    event: Literal["flight-checked"] = "flight-checked"
    at: UtcTime
    leak_check: StepResult


class FlightEnded(Record):
    event: Literal["flight-ended"] = "flight-ended"
    at: UtcTime
    status: Status | None = None


Event = Annotated[
    FlightStarted
    | HostKnown
    | ImageReady
    | StepStarted
    | StepFinished
    | JobEnded
    | JobRetried
    | Problem
    | FlightChecked
    | FlightEnded,
    Field(discriminator="event"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
