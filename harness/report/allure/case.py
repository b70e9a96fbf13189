"""One step of a job as a test result of Allure's, with its phases as the steps of that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from allure_commons.model2 import (
    Attachment,
    Label,
    Parameter,
    StatusDetails,
    TestResult,
    TestStepResult,
)
from allure_commons.types import LabelType
from allure_commons.utils import md5

from harness.report.again import again_words, repro_words
from harness.report.allure.words import LABEL, STATUSES, Key, milliseconds
from harness.report.evidence import clean, one_line
from harness.results.model import FlightResult, JobResult, StepResult
from harness.results.rules import host_name, phase_shift
from harness.status import Status

_FINISHED = "finished"


def case_of(
    flight: FlightResult, job: JobResult, key: Key, step: StepResult, *, after: datetime, known: str
) -> TestResult:
    """The result of *step*; *job* is the attempt that *key* names.

    *after*: when the step before it ended, for one that never began: Allure takes the last of
    several results for the one that counts. *known*: the testid under which Allure knows it.
    """
    found = _result(f"{job.suite}.{job.name}#{known}", key, step, after)
    found.name = one_line(f"{step.testid}[{job.name}]")
    found.parameters = list(_parameters(flight, job, key))
    found.labels += _labels(flight, job)
    found.description = _how_again(flight, job.name)
    return found


def flight_case(flight: FlightResult, suite: str, step: StepResult) -> TestResult:
    """The same of what belongs to the flight and to no job of it; *suite* says what it is."""
    key = Key("", step.testid, 1)
    found = _result(f"{suite}.{flight.flight}#{step.testid}", key, step, flight.started)
    found.name = one_line(f"{step.testid}[{flight.flight}]")
    found.labels += [
        Label(name=LabelType.PARENT_SUITE, value=one_line(flight.flight)),
        Label(name=LabelType.SUITE, value=suite),
    ]
    return found


def _result(full_name: str, key: Key, step: StepResult, after: datetime) -> TestResult:
    start = step.started or after
    stop = start + timedelta(seconds=step.duration)
    full_name = one_line(full_name)
    found = TestResult(
        fullName=full_name,
        testCaseId=md5(full_name),
        historyId=md5(full_name),
        status=STATUSES[step.status],
        stage=_FINISHED,
        start=milliseconds(start),
        stop=milliseconds(stop),
        titlePath=[],
    )
    found.statusDetails = _details(step)
    found.steps = list(_phases(step, start))
    found.labels = [
        Label(name=LABEL, value=str(key)),
        Label(name=LabelType.FRAMEWORK, value="xenflight"),
        Label(name=LabelType.LANGUAGE, value="python"),
        Label(name=LabelType.TAG, value=str(step.status)),
    ]
    if step.failure_class:
        found.labels.append(Label(name=LabelType.TAG, value=one_line(step.failure_class)))
    return found


def _details(step: StepResult) -> StatusDetails | None:
    """The word in front, by which categories know it; None where there is nothing to tell."""
    if step.status is Status.PASS and not step.reason and not step.evidence:
        return None
    where = f"phase {step.phase}" if step.phase else ""
    kind = f"class {step.failure_class}" if step.failure_class else ""
    about = ", ".join(one_line(text) for text in (where, kind) if text)
    trace = "\n".join(text for text in (about, clean(step.evidence)) if text)
    message = one_line(f"{step.status}: {step.reason or 'nobody said why'}")
    if step.status is Status.PASS:
        message = one_line(step.reason or "")
    return StatusDetails(message=message or None, trace=trace or None)


def _phases(step: StepResult, start: datetime) -> Iterator[TestStepResult]:
    shift = phase_shift(step)
    for phase in step.phases:
        began = start + timedelta(seconds=phase.started - shift)
        yield TestStepResult(
            name=one_line(phase.name),
            status=STATUSES[phase.status],
            stage=_FINISHED,
            start=milliseconds(began),
            stop=milliseconds(began + timedelta(seconds=phase.duration)),
        )


def _parameters(flight: FlightResult, job: JobResult, key: Key) -> Iterator[Parameter]:
    """What it was run with. What may change from flight to flight is no part of its history."""
    for name in ("dist", "arch", "virt", "boot"):
        yield Parameter(name=name, value=one_line(str(getattr(job, name))))
    changing = {"attempt": str(key.attempt), "host": host_name(flight.hosts, job) or "none"}
    changing |= {name: value for name, value in sorted(job.runvars.items()) if value}
    for name, value in changing.items():
        yield Parameter(name=one_line(name), value=one_line(value), excluded=True)


def _labels(flight: FlightResult, job: JobResult) -> Iterable[Label]:
    """Where it stands in Allure's trees, and on its line of time: a row for each slot of a host."""
    found = {
        LabelType.PARENT_SUITE: flight.flight,
        LabelType.SUITE: job.name,
        "package": f"{job.suite}.{job.dist}.{job.arch}.{job.virt}",
        LabelType.EPIC: job.dist,
        LabelType.FEATURE: f"{job.virt} {job.boot}",
        LabelType.STORY: job.name,
    }
    if host := host_name(flight.hosts, job):
        slot = job.runvars.get("slot")
        found[LabelType.HOST] = host
        found[LabelType.THREAD] = f"{host} slot {slot}" if slot else host
    return [Label(name=name, value=one_line(value)) for name, value in found.items()]


def _how_again(flight: FlightResult, job: str) -> str:
    """In Markdown; the names are no more than text in a block of code."""
    again = " ".join(again_words(flight, job))
    bundle = repro_words(flight.flight_id, job)
    return f"Run this job again:\n\n    {again}\n\nor hand it on as a bundle:\n\n    {bundle}\n"


def attachment(name: str, source: str, kind: str = "text/plain") -> Attachment:
    """A file beside the results."""
    return Attachment(name=one_line(name), source=source, type=kind)
