"""What a flight's mail says: the verdict as osstest has it, and what else one wants to know."""

from __future__ import annotations

from collections.abc import Iterator

from harness.gate.text import verdict_text
from harness.gate.verdict import VerdictFile
from harness.mail.subject import counts
from harness.report.again import again_words, repro_words
from harness.report.evidence import last_lines, one_line
from harness.report.summary import first_failure
from harness.results.model import FlightResult, HostFacts, JobResult, StepResult
from harness.units import human_seconds

LINES = 15


def text(flight: FlightResult, verdict: VerdictFile, address: str = "") -> str:
    """Plain text. *address*: where its pages are, if anywhere. All of a guest's is cleaned."""
    return verdict_text(verdict) + "\n" + "\n".join(_more(flight, address)) + "\n"


def _more(flight: FlightResult, address: str) -> Iterator[str]:
    if bad := first_failure(flight):
        yield from _failure(flight, *bad)
    yield f"jobs: {counts(flight)}, in {human_seconds(flight.duration)}"
    yield from (f"host: {host_words(host)}" for host in flight.hosts)
    for problem in flight.problems:
        yield f"lab problem: {one_line(problem)}"
    for job in flight.jobs:
        for attempt in job.attempts:
            where = f" on {attempt.host}" if attempt.host else ""
            yield one_line(f"tried once more: {job.name}, {attempt.status}{where} at first")
    yield f"xenflight: {one_line(flight.revision or flight.harness_version)}"
    yield f"command: {one_line(flight.command)}"
    if address:
        yield f"pages: {one_line(address)}"


def _failure(flight: FlightResult, job: JobResult, step: StepResult) -> Iterator[str]:
    yield f"First failure: {one_line(f'{step.testid} of {job.name}')}: {step.status}"
    yield f"  {one_line(step.reason or 'nobody said why')}"
    yield from (f"  | {line}" for line in last_lines(step.evidence, LINES))
    yield f"  run it again:   {' '.join(again_words(flight, job.name))}"
    yield f"  hand it on:     {repro_words(flight.flight_id, job.name)}"
    yield ""


def host_words(host: HostFacts) -> str:
    """A host in a line."""
    parts = [host.name, *([f"Xen {host.xen_version}"] if host.xen_version else [])]
    parts += [f"dom0 Linux {host.dom0_kernel}"] if host.dom0_kernel else []
    parts += [f"not usable: {host.unusable}"] if host.unusable else []
    return one_line(", ".join(parts))
