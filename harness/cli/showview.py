"""One flight or one job out of the store, on a terminal or as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness.cli.fitted import Column, fitted_table
from harness.cli.storeview import counts_text, plain_data, table_of, when
from harness.errors import UsageError
from harness.flight.hints import did_you_mean
from harness.report.words import plain, status_text
from harness.results.attempts import attempts_of
from harness.results.model import FlightResult, HostFacts, JobResult, StepResult
from harness.results.rules import first_bad, host_name, host_of, problems_of
from harness.status import Status
from harness.store.about import as_envelope
from harness.store.details import Details
from harness.units import human_seconds, human_size


def named_job(found: Details, name: str) -> JobResult:
    """The job of that name; `UsageError` when the flight has none."""
    jobs = {job.name: job for job in found.result.jobs}
    if name not in jobs:
        msg = f"flight {found.result.flight_id} has no job {name!r}{did_you_mean(name, jobs)}"
        raise UsageError(msg)
    return jobs[name]


def flight_data(found: Details) -> dict[str, Any]:
    """For machines: results.json, and what the store knows beside it."""
    return {
        **found.result.model_dump(mode="json"),
        **as_envelope(found.about),
        "number": found.number,
        "running": found.running,
        "heard": plain_data(found.heard),
        "gate_at": plain_data(found.gate_at),
        "notes": plain_data(found.notes),
        "artifacts": plain_data(found.artifacts),
        "revisions": found.revisions,
    }


def job_data(found: Details, job: JobResult) -> dict[str, Any]:
    """The same of one job."""
    return {
        **job.model_dump(mode="json"),
        "flight_id": found.result.flight_id,
        "branch": found.about.branch,
        "blessing": found.about.blessing,
        "revisions": found.revisions.get(job.name, {}),
        "artifacts": [plain_data(one) for one in found.artifacts if one.job == job.name],
    }


def flight_view(found: Details, width: int) -> Iterator[RenderableType]:
    """A flight: what it is, its jobs, what was wrong with the lab."""
    result = found.result
    yield _facts(_about_flight(found))
    yield ""
    yield _jobs(found, width)
    for problem in problems_of(result.problems, result.leak_check):
        yield Text.assemble(status_text(Status.BROKEN), ": ", plain(problem))
    for note in found.notes:
        about = f" on {note.job}" if note.job else ""
        yield plain(f"note by {note.author}, {when(note.at)}{about}: {note.text}")


def _jobs(found: Details, width: int) -> Table:
    jobs = found.result.jobs

    def named(job: JobResult) -> Text:
        tried = len(job.attempts) + 1
        return plain(f"{job.name} (attempt {tried})" if tried > 1 else job.name)

    hosts = [host_name(found.result.hosts, job) or "-" for job in jobs]
    several = len(set(hosts)) > 1

    def steps(job: JobResult) -> Text:
        passed = sum(step.status is Status.PASS for step in job.steps)
        return Text(f"{passed}/{len(job.steps)}")

    columns = (
        Column(name="status", cells=[status_text(job.status) for job in jobs]),
        Column(name="job", cells=[named(job) for job in jobs], least=40),
        *([Column(name="host", cells=list(map(plain, hosts)), rank=4)] if several else []),
        Column(name="steps", cells=[steps(job) for job in jobs], rank=2, right=True),
        Column(
            name="time",
            cells=[Text(human_seconds(job.duration)) for job in jobs],
            rank=3,
            right=True,
        ),
        Column(name="what", cells=[plain(_why(job)) for job in jobs], rank=1, least=24),
    )
    return fitted_table(columns, width)


def job_view(found: Details, job: JobResult) -> Iterator[RenderableType]:
    """A job: its steps and their phases, its runvars, what was under test, its files."""
    result = found.result
    yield _facts(
        {
            "job": job.name,
            "flight": f"{result.flight_id} (number {found.number})",
            "status": job.status,
            "took": human_seconds(job.duration),
            "waits": _pairs({name: human_seconds(took) for name, took in job.waits.items()}),
            "host": _host(result, job),
            "tested": _pairs(found.revisions.get(job.name, {})),
            "files": found.about.directory or "",
        }
    )
    for number, attempt in enumerate(attempts_of(job), start=1):
        yield ""
        if job.attempts:
            yield _attempt(result, number, attempt)
        yield _steps(attempt.steps)
    if job.runvars:
        yield ""
        yield _runvars(found, job)
    files = [one for one in found.artifacts if one.job == job.name]
    if files:
        yield ""
        table = table_of("file", "size", right=("size",))
        for one in files:
            table.add_row(plain(one.path), human_size(one.size))
        yield table


def _attempt(result: FlightResult, number: int, attempt: JobResult) -> Text:
    host = host_name(result.hosts, attempt)
    where = Text.assemble(" on ", plain(host)) if host else ""
    began = f", {when(attempt.started)} UTC" if attempt.started else ""
    return Text.assemble(f"attempt {number}: ", status_text(attempt.status), where, began)


def _steps(steps: Iterable[StepResult]) -> Table:
    table = table_of("status", "step", "time", "what", right=("time",))
    table.columns[-1].no_wrap = False
    for step in steps:
        table.add_row(
            status_text(step.status), plain(step.testid), human_seconds(step.duration), _said(step)
        )
        for phase in step.phases:
            name = plain(f"  {phase.name}", "dim")
            table.add_row("", name, Text(human_seconds(phase.duration), style="dim"), "")
    return table


def _about_flight(found: Details) -> dict[str, object]:
    result, about = found.result, found.about
    gate = f"{about.gate}, asked {when(found.gate_at)}" if found.gate_at else about.gate or ""
    ended = f"{when(result.ended)} UTC" if result.ended else ""
    if not result.ended and not found.running:
        ended = f"never: its controller was last heard of {when(found.heard)} UTC"
    jobs = [job.status for job in result.jobs]
    return {
        "flight": f"{result.flight_id} (number {found.number})",
        "branch": f"{about.branch}, {about.blessing}",
        "status": Text("running", style="bold") if found.running else result.status,
        "jobs": counts_text({status: jobs.count(status) for status in Status}),
        "gate": gate,
        "began": f"{when(result.started)} UTC",
        "ended": ended,
        "took": human_seconds(result.duration),
        "hosts" if len(result.hosts) > 1 else "host": [*map(_facts_of, result.hosts)],
        "controller": about.controller or "",
        "command": result.command,
        "files": about.directory or "",
    }


def _facts(values: dict[str, object]) -> Table:
    table = Table.grid(padding=(0, 2), pad_edge=False)
    for name, value in values.items():
        if isinstance(value, Status):
            table.add_row(name, status_text(value))
        elif isinstance(value, Text):
            table.add_row(name, value)
        elif value:
            for number, line in enumerate(value if isinstance(value, list) else [value]):
                text = plain(str(line))
                text.no_wrap, text.overflow = False, "fold"
                table.add_row("" if number else name, text)
    return table


def _host(result: FlightResult, job: JobResult) -> str:
    host = host_of(result.hosts, job)
    return _facts_of(host) if host else job.host or ""


def _facts_of(host: HostFacts) -> str:
    xen = f"Xen {host.xen_version}" if host.xen_version else ""
    dom0 = f"dom0 Linux {host.dom0_kernel}" if host.dom0_kernel else ""
    unusable = f"unusable: {host.unusable}" if host.unusable else ""
    return ", ".join(part for part in (host.name, xen, dom0, host.accel or "", unusable) if part)


def _runvars(found: Details, job: JobResult) -> Table:
    """As osstest shows them: with where each came from."""
    sources = found.sources.get(job.name, {})
    table = table_of("runvar", "value", "source")
    table.columns[1].no_wrap = False
    for name, value in sorted(job.runvars.items()):
        table.add_row(plain(name), plain(value), sources.get(name) or "")
    return table


def _why(job: JobResult) -> str:
    bad = first_bad(job.steps)
    if bad is None:
        return (job.reason or "") if job.status is not Status.PASS else ""
    return ": ".join(part for part in (bad.testid, bad.failure_class, bad.reason) if part)


def _said(step: StepResult) -> Text:
    phase = f"phase {step.phase}" if step.phase else ""
    parts = (phase, step.failure_class, step.reason)
    text = plain(": ".join(part for part in parts if part))
    text.no_wrap, text.overflow = False, "fold"
    return text


def _pairs(values: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
