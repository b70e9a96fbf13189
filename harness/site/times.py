"""Where the time of a flight went: for each slot of each host what was done in it, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from harness.results.attempts import attempts_of
from harness.results.events import EVENT, ImageReady
from harness.results.layout import FlightDirectory
from harness.results.model import FlightResult, JobResult, StepResult
from harness.results.rules import HARMLESS, host_name
from harness.schedule.estimate import WAITS
from harness.status import Status
from harness.steps import LEAK_CHECK

BOOT = "guest-boot"
_NONE = "?"


class Kind(StrEnum):
    """What a stretch of time was for."""

    BUILD = "build"
    WAIT = "wait"
    STEP = "step"
    BOOT = "boot"
    TEARDOWN = "teardown"
    CHECK = "check"


class Span(NamedTuple):
    """Something that was done. *begin*: seconds since the flight began; *length*: seconds."""

    kind: Kind
    begin: float
    length: float
    what: str
    job: str = ""
    status: Status = Status.PASS


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A slot of a host, or the controller's work; *spans* in order."""

    host: str
    slot: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True)
class Times:
    """Of one flight."""

    total: float
    """Seconds."""
    lanes: tuple[Lane, ...]
    spent: dict[Kind, float]
    """Seconds of all lanes together."""


def times_of(result: FlightResult, directory: Path | None) -> Times:
    """*directory* is the flight's own, if it is there: its events tell when images were ready."""
    lanes: dict[tuple[str, str], list[Span]] = {}
    for job in result.jobs:
        for attempt in attempts_of(job):
            where = host_name(result.hosts, attempt) or _NONE
            slot = attempt.runvars.get("slot", _NONE)
            for span in _spans(result.started, attempt):
                # Until it has a slot it is in none.
                place = (where, slot) if span.kind is not Kind.WAIT else ("", "waiting")
                lanes.setdefault(place, []).append(span)
    builds = list(_builds(result.started, directory))
    found = [
        Lane(host=host, slot=slot, spans=tuple(sorted(spans, key=lambda one: one.begin)))
        for (host, slot), spans in sorted(lanes.items(), key=lambda lane: _place(*lane[0]))
    ]
    if builds:
        found.insert(0, Lane(host="", slot="images", spans=tuple(builds)))
    every = [span for lane in found for span in lane.spans]
    spent = {kind: sum(one.length for one in every if one.kind is kind) for kind in Kind}
    last = max((span.begin + span.length for span in every), default=0.0)
    return Times(total=max(result.duration, last, 1.0), lanes=tuple(found), spent=spent)


def _place(host: str, slot: str) -> tuple[str, int, str]:
    return host, int(slot) if slot.isdecimal() else 0, slot


def _spans(began: datetime, job: JobResult) -> Iterator[Span]:
    """A job's steps, what it waited for in the first of them, and its teardown."""
    ran = [step for step in job.steps if step.started and step.duration > 0]
    last = 0.0
    for step in ran:
        assert step.started
        at = (step.started - began).total_seconds()
        if step.testid == LEAK_CHECK:
            yield Span(Kind.CHECK, at, step.duration, step.testid, job.name, step.status)
            continue
        yield from _of_step(at, step, job.name)
        last = max(last, at + step.duration)
    if job.started and last:
        end = (job.started - began).total_seconds() + job.duration
        if end > last:
            yield Span(Kind.TEARDOWN, last, end - last, "teardown", job.name, _leftover(job.steps))


def _of_step(at: float, step: StepResult, job: str) -> Iterator[Span]:
    waits = [phase for phase in step.phases if phase.name in WAITS]
    for phase in waits:
        what = f"waits: {phase.name}"
        yield Span(Kind.WAIT, at + phase.started, phase.duration, what, job, phase.status)
    waited = max((phase.started + phase.duration for phase in waits), default=0.0)
    kind = Kind.BOOT if step.testid == BOOT else Kind.STEP
    left = max(0.0, step.duration - waited)
    yield Span(kind, at + waited, left, step.testid, job, step.status)


def _leftover(steps: Iterable[StepResult]) -> Status:
    bad = [step for step in steps if step.testid == "teardown" and step.status not in HARMLESS]
    return bad[0].status if bad else Status.PASS


def _builds(began: datetime, directory: Path | None) -> Iterator[Span]:
    """Images that were built: an event tells when each was ready, and that how long it took."""
    if directory is None:
        return
    with suppress(OSError, UnicodeDecodeError):
        for line in FlightDirectory(directory).events.read_text(encoding="utf-8").splitlines():
            if '"image-ready"' not in line:
                continue
            with suppress(ValidationError):
                event = EVENT.validate_json(line)
                if isinstance(event, ImageReady) and not event.image.reused:
                    took = event.image.build_seconds or 0.0
                    end = (event.at - began).total_seconds()
                    what = f"image {event.image.dist} {event.image.arch}"
                    yield Span(Kind.BUILD, max(0.0, end - took), took, what)
