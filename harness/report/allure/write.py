"""A flight's results for Allure, made whole when it is over, or later out of what it left."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from allure_commons.model2 import TestResult
from attr import asdict

from harness.report.allure import about
from harness.report.allure.case import attachment, case_of, flight_case
from harness.report.allure.files import carried, console_step, put
from harness.report.allure.words import LABEL, Key
from harness.results.attempts import attempts_of
from harness.results.model import FlightResult, JobResult, StepResult
from harness.results.recorder import write_atomically
from harness.results.rules import FLIGHT, LAB_PROBLEMS
from harness.status import Status

_RESULT = "-result.json"


@dataclass(frozen=True, kw_only=True)
class _Theirs:
    """A result that is there already: written by allure-pytest, or by us before."""

    path: Path
    uuid: str
    steps: list[Any] = field(default_factory=list)
    """Those of a suite's author, and, if we wrote it before, phases."""
    attachments: list[Any] = field(default_factory=list)


def write_allure(
    flight: FlightResult,
    out: Path,
    *,
    files: Path | None = None,
    evidence: bool = True,
    more: Mapping[str, str] | None = None,
    surroundings: Mapping[str, str] = os.environ,
) -> None:
    """Write all results of *flight* to the directory *out*, completing those that are there.

    *files*: the flight's directory, for consoles, and *evidence*, what hosts told of failures.
    *more*: further lines for what was tested. `OSError` if it can't be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    theirs = dict(_there(out))
    for job in flight.jobs:
        last = {step.testid for step in job.steps}
        for number, attempt in enumerate(attempts_of(job), start=1):
            known = _known(attempt, last)
            _write_attempt(flight, attempt, number, known, out, theirs, files, evidence=evidence)
    for suite, step in _of_flight(flight):
        case = flight_case(flight, suite, step)
        _write(case, flight, Key("", f"{suite}: {step.testid}", 1), out, {})
    write_atomically(out / "categories.json", about.categories())
    write_atomically(out / "environment.properties", about.environment(flight, more or {}))
    write_atomically(out / "executor.json", about.executor(flight, surroundings))


def _write_attempt(
    flight: FlightResult,
    job: JobResult,
    number: int,
    known: Mapping[str, str],
    out: Path,
    theirs: Mapping[str, _Theirs],
    files: Path | None,
    *,
    evidence: bool,
) -> None:
    carrier = console_step(job)
    after = job.started or flight.started
    for step in job.steps:
        key = Key(job.name, step.testid, number)
        case = case_of(flight, job, key, step, after=after, known=known[step.testid])
        after = max(after, _end(step, after))
        if step.testid == carrier:
            for one in carried(files, job, evidence=evidence):
                name = f"{_uuid(flight, f'{key} {one.name}')}-attachment.txt"
                put(out, name, one.text)
                case.attachments.append(attachment(one.name, name))
        _write(case, flight, key, out, theirs)


def _known(attempt: JobResult, last: Set[str]) -> dict[str, str]:
    """Under which testid Allure knows each step: its own, or, where the last attempt has none such
    (its teardown went well), that of the one before it, so that it is a retry, too."""
    found: dict[str, str] = {}
    before = ""
    for step in attempt.steps:
        before = step.testid if step.testid in last or not before else before
        found[step.testid] = before
    return found


def _end(step: StepResult, after: datetime) -> datetime:
    return (step.started or after) + timedelta(seconds=step.duration)


def _of_flight(flight: FlightResult) -> Iterator[tuple[str, StepResult]]:
    for number, text in enumerate(flight.problems, start=1):
        yield (
            LAB_PROBLEMS,
            StepResult(testid=f"problem {number}", status=Status.BROKEN, reason=text),
        )
    if flight.leak_check:
        yield FLIGHT, flight.leak_check


def _write(
    case: TestResult, flight: FlightResult, key: Key, out: Path, theirs: Mapping[str, _Theirs]
) -> None:
    there = theirs.get(str(key))
    case.uuid = there.uuid if there else _uuid(flight, str(key))
    data = asdict(case, filter=lambda _, value: bool(value) or value is False)
    if there:
        phases = {one["name"] for one in data.get("steps", [])}
        authors = [one for one in there.steps if one.get("name") not in phases]
        data["steps"] = [*data.get("steps", []), *authors]
        mine = {one["source"] for one in data.get("attachments", [])}
        kept = [one for one in there.attachments if one.get("source") not in mine]
        data["attachments"] = [*data.get("attachments", []), *kept]
    path = there.path if there else out / f"{case.uuid}{_RESULT}"
    write_atomically(path, json.dumps(data) + "\n")


def _uuid(flight: FlightResult, text: str) -> str:
    """The same each time, so that results that are written again replace those of before."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{flight.flight_id} {text}"))


def _there(out: Path) -> Iterator[tuple[str, _Theirs]]:
    """What is in *out*, by the label that says which step it is of. One that can't be read stays
    as it is: it is nobody's, or was cut off when its process died, and then it is of no use."""
    for path in sorted(out.glob(f"*{_RESULT}")):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            labels = {one["name"]: one["value"] for one in data["labels"]}
            found = _Theirs(
                path=path,
                uuid=str(data["uuid"]),
                steps=list(data.get("steps", [])),
                attachments=list(data.get("attachments", [])),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        if LABEL in labels:
            yield str(labels[LABEL]), found
