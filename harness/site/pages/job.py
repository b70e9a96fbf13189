"""A job of a flight: its steps on a line of time, and all that is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from harness.results.model import (
    AttemptResult,
    FlightResult,
    HostFacts,
    ImageFacts,
    JobResult,
    StepResult,
)
from harness.results.revisions import IMAGE
from harness.results.rules import host_of, phase_shift
from harness.site import paths
from harness.site.archive import Head
from harness.site.changes import Change, run_changes
from harness.site.charts.bars import Bar, axis, single
from harness.site.charts.cells import row
from harness.site.console.marks import mark_id
from harness.site.failures import Failure, Group, failure_of, quote_of
from harness.site.files import JobFiles, files_of
from harness.site.pages.kit import Kit, Output
from harness.status import Status
from harness.units import human_seconds

_STRIP = 40


@dataclass(frozen=True, kw_only=True)
class Line:
    """A step or a phase on the line of time. *start*: seconds since the job began."""

    name: str
    phase: bool
    status: Status
    start: float | None
    duration: float
    bar: Markup
    mark: str
    """The id of its mark on the console."""
    step: StepResult


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """The job done once."""

    number: int
    """0: the last one."""
    status: Status
    reason: str | None
    host: str | None
    lines: tuple[Line, ...]
    scale: Markup
    files: JobFiles
    duration: float


@dataclass(frozen=True, kw_only=True)
class Runvar:
    """osstest's test control variables. *source*: ``definition`` or ``execution``."""

    name: str
    value: str
    source: str


def job_page(kit: Kit, head: Head, result: FlightResult, job: JobResult) -> Output:
    """The page of one job."""
    places = paths.JobPaths(head.flight, job.name)
    runs = kit.archive.runs(head.branch, job.name)
    failure = failure_of(job, runs, head.flight, kit.archive.verdict(head.flight))
    if failure and head.running and failure.step.status is Status.ABORTED:
        failure = None
    host = host_of(result.hosts, job)
    return kit.page(
        "job.html",
        places.page,
        head=head,
        result=result,
        job=job,
        places=places,
        group=Group(failures=(failure,), quote=quote_of(failure.step)) if failure else None,
        changed=_changed(failure, kit, head, job) if failure else [],
        attempts=list(_attempts(kit, head, job)),
        runvars=list(_runvars(job)),
        host=host,
        facts=dict(_host_facts(host)) if host else {},
        images=_images(result, job),
        mark_id=mark_id,
        waits={word: human_seconds(seconds) for word, seconds in job.waits.items()},
        strip=_strip(kit, head, job, places.page),
        history=paths.history(head.branch, job.name),
    )


def _attempts(kit: Kit, head: Head, job: JobResult) -> Iterator[Attempt]:
    """The last one first, then the others in order."""
    directory = kit.archive.directory(head.flight)
    yield _attempt(kit, directory, job, 0)
    for number, attempt in enumerate(job.attempts, start=1):
        yield _attempt(kit, directory, attempt, number)


def _attempt(
    kit: Kit, directory: Path | None, one: JobResult | AttemptResult, number: int
) -> Attempt:
    lines, total = _timeline(one)
    return Attempt(
        number=number,
        status=one.status,
        reason=one.reason,
        host=one.host,
        lines=tuple(lines),
        scale=axis(total),
        files=files_of(directory, one, with_evidence=kit.evidence),
        duration=one.duration,
    )


def _timeline(one: JobResult | AttemptResult) -> tuple[list[Line], float]:
    """Its steps and their phases, and how long the line is, in seconds."""
    starts = {step.testid: _start(one, step) for step in one.steps}
    ends = [
        start + step.duration
        for step in one.steps
        if (start := starts[step.testid]) is not None and step.status is not Status.BLOCKED
    ]
    total = max([*ends, 1.0])
    lines = []
    for step in one.steps:
        start = starts[step.testid] if step.status is not Status.BLOCKED else None
        lines.append(_line(step, None, step.status, start, step.duration, total))
        for phase in step.phases if start is not None else ():
            begin = (start or 0.0) - phase_shift(step) + phase.started
            lines.append(_line(step, phase.name, phase.status, begin, phase.duration, total))
    return lines, total


def _start(one: JobResult | AttemptResult, step: StepResult) -> float | None:
    if step.started is None or one.started is None:
        return None
    return max(0.0, (step.started - one.started).total_seconds())


def _line(
    step: StepResult,
    phase: str | None,
    status: Status,
    start: float | None,
    duration: float,
    total: float,
) -> Line:
    title = f"{phase or step.testid}: {status}, {human_seconds(duration)}"
    kind = f"s-{status} {'phase' if phase else 'step'}"
    bar = single(Bar(start, duration, kind, title), total) if start is not None else Markup("")
    return Line(
        name=phase or step.testid,
        phase=phase is not None,
        status=status,
        start=start,
        duration=duration,
        bar=bar,
        mark=mark_id(step.testid, phase or ""),
        step=step,
    )


def _changed(failure: Failure, kit: Kit, head: Head, job: JobResult) -> list[Change]:
    """What the job tests otherwise than when it passed last."""
    if failure.since is None or failure.since.passed is None:
        return []
    here = kit.runs(head.branch, job.name).get(head.flight)
    return run_changes(failure.since.passed, here) if here else []


def _runvars(job: JobResult) -> Iterator[Runvar]:
    stored = {name for step in job.steps for name in step.facts}
    for name, value in sorted(job.runvars.items()):
        source = "execution" if name in stored else "definition"
        yield Runvar(name=name, value=value, source=source)


def _host_facts(host: HostFacts) -> Iterator[tuple[str, str]]:
    facts = {
        "kind": host.kind,
        "Xen": host.xen_version,
        "dom0's kernel": host.dom0_kernel,
        "dom0": host.dom0_release,
        "CPUs": host.cpus,
        "memory": f"{host.memory >> 20} MiB" if host.memory else None,
        "can": ", ".join(host.virt_caps),
        "emulation": host.accel,
        "timeouts": f"× {host.timeout_factor:g}",
        **host.extra,
    }
    return ((name, str(value)) for name, value in facts.items() if value)


def _images(result: FlightResult, job: JobResult) -> list[ImageFacts]:
    mine = [image for image in result.images if (image.dist, image.arch) == (job.dist, job.arch)]
    key = job.runvars.get(IMAGE)
    return [image for image in mine if image.key == key] or mine


def _strip(kit: Kit, head: Head, job: JobResult, page: str) -> Markup:
    """Its last runs, up to now."""
    runs = kit.runs(head.branch, job.name)
    columns = [one for one in kit.columns(head.branch) if one.started <= head.started]
    shown = [one for one in columns[-_STRIP:] if one.flight in runs]
    cells = [kit.cell(page, runs[one.flight], runs[one.flight].status) for one in shown]
    return row(cells, all_linked=True)
