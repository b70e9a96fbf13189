"""One flight out of several that were parts of it: shards, or jobs of a CI pipeline.

What they wrote down as it happened is put together in the order of time, and added up anew: so the
whole is judged by the same rules as any flight.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.errors import LabError, UsageError
from harness.report.junit import write_junit
from harness.results.belonging import read_belonging, write_belonging
from harness.results.events import (
    Event,
    FlightChecked,
    FlightEnded,
    FlightHeader,
    FlightStarted,
    Problem,
)
from harness.results.layout import FlightDirectory
from harness.results.load import read_events
from harness.results.log import FlightLog
from harness.results.model import FlightResult, StepResult
from harness.results.recorder import point_latest, to_json, write_atomically
from harness.status import Status, worst

_TREES = ("jobs", "packages", "allure")
"""What is taken over of each, beside its events."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A flight that is to become a part of another."""

    files: FlightDirectory
    header: FlightHeader
    events: tuple[Event, ...]
    """But for its begin."""

    @property
    def ended(self) -> FlightEnded | None:
        """Its end; None when it never came to that."""
        found = [event for event in self.events if isinstance(event, FlightEnded)]
        return found[-1] if found else None


def read_part(path: Path) -> Part:
    """The flight in a directory; `UsageError` when it can't be read."""
    files = FlightDirectory(path)
    began, *events = read_events(files.events)
    assert isinstance(began, FlightStarted)
    return Part(files=files, header=began.header, events=tuple(events))


def merge_flights(
    parts: Sequence[Part],
    reports: Path,
    flight_id: str,
    *,
    wanted: Collection[str] = (),
    command: str,
) -> FlightResult:
    """Make flight *flight_id* below *reports* out of *parts*.

    *wanted* are the jobs that it must have: each that is in no part is a problem, and the flight
    `broken`. `UsageError` for what is no parts of one flight, `LabError` when it can't be written.
    """
    _require_one(parts)
    files = FlightDirectory.of(reports, flight_id)
    header = _header(parts, flight_id, command)
    events = [FlightStarted(at=header.started, header=header), *_events(parts, header, wanted)]
    log = FlightLog(header)
    for event in events:
        log.add(event)
    result = log.result()
    try:
        files.path.mkdir(parents=True)
        for part in parts:
            _take_files(part.files.path, files.path)
        files.events.write_text("".join(to_json(event) + "\n" for event in events), "ascii")
        write_atomically(files.results, to_json(result, indent=2) + "\n")
        write_junit(result, files.junit)
        if said := read_belonging(parts[0].files):
            write_belonging(files, said)
        point_latest(files)
    except FileExistsError as error:
        msg = f"{error.filename or files.path} is there already; nothing was overwritten"
        raise UsageError(msg) from error
    except OSError as error:
        msg = f"cannot write {files.path}: {error.strerror or error}"
        raise LabError(msg) from error
    return result


def _require_one(parts: Sequence[Part]) -> None:
    if not parts:
        msg = "there is nothing to merge"
        raise UsageError(msg)
    names = {part.header.flight for part in parts}
    if len(names) > 1:
        msg = f"these are parts of several flights: {', '.join(sorted(names))}"
        raise UsageError(msg)
    seen: dict[str, str] = {}
    for part in parts:
        for job in part.header.jobs:
            if other := seen.get(job.name):
                msg = f"{job.name} is in two parts: {other} and {part.header.flight_id}"
                raise UsageError(msg, hint="give each part once, its last run")
            seen[job.name] = part.header.flight_id


def _header(parts: Sequence[Part], flight_id: str, command: str) -> FlightHeader:
    first = min(parts, key=lambda part: part.header.started).header
    return first.model_copy(
        update={
            "flight_id": flight_id,
            "command": command,
            "jobs": tuple(job for part in parts for job in part.header.jobs),
        }
    )


def _events(
    parts: Sequence[Part], header: FlightHeader, wanted: Collection[str]
) -> Iterable[Event]:
    """All that happened, in the order of time; what is of a whole flight comes once, at the end."""
    middle = [
        (event.at, event)
        for part in parts
        for event in part.events
        if not isinstance(event, FlightEnded | FlightChecked)
    ]
    last = max([header.started, *(at for at, _ in middle), *_ends(parts)])
    # By time alone: events of one part stay in their order.
    yield from (event for _, event in sorted(middle, key=lambda one: one[0]))
    there = {job.name for job in header.jobs}
    for name in sorted(set(wanted) - there):
        yield Problem(at=last, text=f"{name} is in no part of the flight: it was not told of")
    every = [event for part in parts for event in part.events]
    checks = [event.leak_check for event in every if isinstance(event, FlightChecked)]
    if checks:
        yield FlightChecked(at=last, leak_check=_check(checks))
    statuses = [part.ended.status if part.ended else Status.ABORTED for part in parts]
    bad = [status for status in statuses if status]
    yield FlightEnded(at=last, status=worst(bad) if bad else None)


def _ends(parts: Sequence[Part]) -> list[datetime]:
    return [part.ended.at for part in parts if part.ended]


def _check(checks: Sequence[StepResult]) -> StepResult:
    """The worst of them, with the words of all that are as bad."""
    status = worst(check.status for check in checks)
    found = [check for check in checks if check.status is status]
    reasons = [check.reason for check in found if check.reason]
    texts = [check.evidence for check in found if check.evidence]
    return found[0].model_copy(
        update={"reason": "; ".join(reasons) or None, "evidence": "\n".join(texts)}
    )


def _take_files(source: Path, target: Path) -> None:
    for tree in _TREES:
        if (source / tree).is_dir():
            shutil.copytree(source / tree, target / tree, dirs_exist_ok=True, symlinks=True)
