"""What a bundle is made of: the job as it was planned, and what the flight made of it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.errors import Place, UsageError
from harness.flight.find import resolve_flight
from harness.flight.hints import did_you_mean
from harness.flight.loader import load_flight
from harness.flight.model import JobSpec
from harness.flight.plan import from_json
from harness.flight.runvars import given_runvars
from harness.gate.subject import find_directory, no_such_flight, subject_stored
from harness.results.layout import FlightDirectory, safe_name
from harness.results.load import load_results
from harness.results.model import FlightResult, JobResult
from harness.store.names import find_flight
from harness.store.store import Store
from harness.store.whole import read_flight


@dataclass(frozen=True, kw_only=True)
class Origin:
    """One job of one flight."""

    result: FlightResult
    job: JobResult
    spec: JobSpec
    files: FlightDirectory | None
    """Where its files are; None when that is not here."""
    remark: str = ""
    """What makes the bundle less than the flight was."""


def find_origin(flight: str, job: str, store: Store | None) -> Origin:
    """The job called *job* of the flight meant by an id, a directory, or what *store* knows.

    `UsageError` when there is no such flight or job, or it can't be known how it was planned.
    """
    result, path = find_result(flight, store)
    jobs = {one.name: one for one in result.jobs}
    if job not in jobs:
        msg = f"flight {result.flight_id} has no job {job!r}{did_you_mean(job, jobs)}"
        raise UsageError(msg)
    _demand_safe(job)
    files = FlightDirectory(path) if path else None
    if files and files.plan.is_file():
        spec = _planned(files.plan, job)
        return Origin(result=result, job=jobs[job], spec=spec, files=files)
    spec = _of_today(result, jobs[job])
    remark = (
        f"The plan of {result.flight_id} is not on this machine: the job is the one that"
        f" flights/{result.flight}.yaml has now, which agrees with what the store knows of it"
        f" ({', '.join(given_runvars(spec))})."
    )
    return Origin(result=result, job=jobs[job], spec=spec, files=files, remark=remark)


def _demand_safe(job: str) -> None:
    """What another system called a job may be no name of ours, nor of a directory."""
    try:
        safe_name(job)
    except ValueError as error:
        msg = f"{job[:120]!r} is no job that xenflight ran"
        raise UsageError(msg) from error


def find_result(text: str | None, store: Store | None) -> tuple[FlightResult, Path | None]:
    """What a flight gave, and its directory if that is here; the newest with None.

    `UsageError` when neither the directories nor *store* have it.
    """
    path = find_directory(text)
    if path is not None:
        return load_results(path), path
    if store is None:
        raise no_such_flight(text or "")
    with ExitStack() as reading:
        seen = reading.enter_context(store.reading())
        path = subject_stored(seen, text or "", branch=None, blessing=None).path
        if path is not None:
            return load_results(path), path
        return read_flight(seen, find_flight(seen, text or "")), None


def _planned(file: Path, name: str) -> JobSpec:
    try:
        plan = from_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot be read: {error}"
        raise UsageError(msg, place=Place(file=str(file))) from error
    except UsageError as error:
        raise UsageError(error.message, place=Place(file=str(file))) from error
    found = {job.name: job for job in plan.jobs}
    if name not in found:
        msg = f"the plan has no job {name!r}, though the results have: it is another flight's"
        raise UsageError(msg, place=Place(file=str(file)))
    return found[name]


def _of_today(result: FlightResult, job: JobResult) -> JobSpec:
    """The job as its flight file has it now; `UsageError` when that is another."""
    lost = f"the plan of {result.flight_id} is not on this machine"
    try:
        jobs = {one.name: one for one in load_flight(resolve_flight(result.flight)).jobs}
    except UsageError as error:
        msg = f"{lost}, and its flight file can't be read: {error}"
        raise UsageError(msg, hint="run repro on the machine that ran the flight") from error
    spec = jobs.get(job.name)
    if spec is None:
        msg = f"{lost}, and the flight {result.flight!r} has no job {job.name} any more"
        raise UsageError(msg, hint="run repro on the machine that ran the flight")
    now = given_runvars(spec)
    if not any(name in job.runvars for name in now):
        msg = f"{lost}, and the store does not know how the job was defined"
        raise UsageError(msg, hint="it was taken in from another system, perhaps")
    changed = [name for name in now if job.runvars.get(name, now[name]) != now[name]]
    if changed:
        msg = f"{lost}, and the flight {result.flight!r} gives the job another {changed[0]} now"
        then = f"it was {job.runvars[changed[0]]!r} and is {now[changed[0]]!r}"
        raise UsageError(msg, hint=then)
    return spec
