"""From a flight's results to rows, but for those of its jobs. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from datetime import datetime

from harness.results.model import FlightResult, HostFacts, ImageFacts
from harness.results.rules import host_name
from harness.store.about import About
from harness.store.jobrows import Frame, host_key, job_rows
from harness.store.rows import Row, Rows, as_json, clean
from harness.store.tables import (
    FlightHostRow,
    HostEventRow,
    HostRow,
    HostStateRow,
    ImageRow,
    ProblemRow,
)


def flight_row(result: FlightResult, about: About, heard: datetime, digest: str) -> Row:
    """The row of a flight, but for its number, and its gate, which only a judge writes."""
    return clean(  # type: ignore[no-any-return]
        {
            "flight_id": result.flight_id,
            "flight": result.flight,
            "branch": about.branch,
            "blessing": about.blessing,
            "status": result.status.value,
            "started": result.started,
            "ended": result.ended,
            "duration": result.duration,
            "heard": heard,
            "origin": about.origin.value,
            "controller": about.controller,
            "directory": about.directory,
            "harness_version": result.harness_version,
            "revision": result.revision,
            "command": result.command,
            "leak_check": as_json(result.leak_check),
            "digest": digest,
        }
    )


def all_rows(
    number: int,
    result: FlightResult,
    about: About,
    *,
    defined: Mapping[str, Iterable[str]] | None = None,
    over: Container[str] = (),
) -> Rows:
    """All other rows of a flight, and those that it shares.

    *defined*: for each job the runvars that were given to it, where that is known. *over*: the
    jobs that came to their end although the flight did not.
    """
    frame = Frame(
        number=number,
        flight_id=result.flight_id,
        began=result.started,
        about=about,
        hosts=result.hosts,
        images=result.images,
    )
    rows = flight_parts(number, result.hosts, result.images, result.problems)
    rows.take(host_events(number, result))
    for job_no, job in enumerate(result.jobs):
        given = None if defined is None else defined.get(job.name, ())
        ended = result.ended is not None or job.name in over
        rows.take(job_rows(frame, job_no, job, over=ended, defined=given))
    return rows


def flight_parts(
    number: int,
    hosts: Iterable[HostFacts],
    images: Iterable[ImageFacts],
    problems: Iterable[str],
) -> Rows:
    """What belongs to a whole flight."""
    rows = Rows()
    for host_no, host in enumerate(hosts):
        key = host_key(host)
        rows.put(FlightHostRow, flight=number, host_no=host_no, host=host.name, state=key)
        rows.put(HostRow, name=host.name, kind=host.kind)
        rows.put(
            HostStateRow,
            key=key,
            host=host.name,
            xen_version=host.xen_version,
            dom0_kernel=host.dom0_kernel,
            facts=host.model_dump(mode="json"),
        )
    for image_no, image in enumerate(images):
        rows.put(
            ImageRow,
            flight=number,
            image_no=image_no,
            key=image.key,
            dist=image.dist,
            arch=image.arch,
            facts=image.model_dump(mode="json"),
        )
    for problem_no, text in enumerate(problems):
        rows.put(ProblemRow, flight=number, problem_no=problem_no, text=text)
    return rows


def host_events(number: int, result: FlightResult) -> Rows:
    """What a flight did to its hosts."""
    rows = Rows()

    def happened(host: str, at: datetime, kind: str, text: str, subject: str = "") -> None:
        subject = f"{result.flight_id}/{subject}" if subject else result.flight_id
        event = {"host": host, "at": at, "kind": kind, "subject": subject}
        rows.put(HostEventRow, **event, flight=number, text=text)

    for host in result.hosts:
        if host.unusable:
            happened(host.name, result.started, "unusable", host.unusable)
            continue
        happened(host.name, result.started, "flight-began", result.flight)
        if result.ended:
            happened(host.name, result.ended, "flight-ended", result.status.value)
    for job in result.jobs:
        name, text = host_name(result.hosts, job), job.runvars.get("reaped", "")
        if name and text and job.started:
            happened(name, job.started, "reaped", text, job.name)
    return rows
