"""JUnit XML, as GitLab, Jenkins and GitHub's actions read it.

A suite for each job, a case for each step. `fail` is a failure, `broken` and `aborted` are
errors, and the rest that did not pass is skipped, with the word in front of the reason. What
is wrong with our lab and belongs to no step gets a suite of its own, so that CI sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

from harness.report.evidence import clean, one_line
from harness.report.words import SIMULATED
from harness.results.model import FlightResult, HostFacts, JobResult, StepResult
from harness.results.recorder import write_atomically
from harness.results.rules import FLIGHT, LAB_PROBLEMS, host_of
from harness.status import Status

ELEMENTS = {
    Status.FAIL: "failure",
    Status.BROKEN: "error",
    Status.ABORTED: "error",
    Status.BLOCKED: "skipped",
    Status.STARVED: "skipped",
    Status.SKIP: "skipped",
}


def write_junit(result: FlightResult, path: Path) -> None:
    """Write *result* to *path*, whole or not at all."""
    write_atomically(path, junit_xml(result))


def junit_xml(result: FlightResult) -> str:
    """The document as text."""
    name = f"{result.flight} ({SIMULATED})" if result.simulated else result.flight
    root = ElementTree.Element("testsuites", name=name, time=f"{result.duration:.3f}")
    for job in result.jobs:
        root.append(_job(result, job))
    if result.problems:
        root.append(_problems(result))
    if result.leak_check:
        root.append(_flight(result, result.leak_check))
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _job(result: FlightResult, job: JobResult) -> ElementTree.Element:
    cases = [_case(f"{result.flight}.{job.name}", step) for step in job.steps]
    about = {"dist": job.dist, "arch": job.arch, "virt": job.virt, "boot": job.boot}
    for number, attempt in enumerate(job.attempts, start=1):
        where = f" on {attempt.host}" if attempt.host else ""
        about[f"attempt.{number}"] = f"{attempt.status}{where}: {attempt.reason or ''}"
    host = host_of(result.hosts, job)
    started = job.started or result.started
    return _suite(result, job.name, cases, started, job.duration, host, about)


def _problems(result: FlightResult) -> ElementTree.Element:
    cases = []
    for number, text in enumerate(result.problems, start=1):
        case = _element("testcase", classname=f"{result.flight}.{LAB_PROBLEMS}", name=f"{number}")
        case.set("time", "0.000")
        case.append(_element("error", type="lab", message=text))
        cases.append(case)
    return _suite(result, LAB_PROBLEMS, cases, result.started, 0.0, None, {})


def _flight(result: FlightResult, leak_check: StepResult) -> ElementTree.Element:
    """What belongs to the flight and to no job of it."""
    case = _case(f"{result.flight}.{FLIGHT}", leak_check)
    started = leak_check.started or result.started
    return _suite(result, FLIGHT, [case], started, leak_check.duration, None, {})


def _suite(
    result: FlightResult,
    name: str,
    cases: list[ElementTree.Element],
    started: datetime,
    duration: float,
    host: HostFacts | None,
    about: Mapping[str, str],
) -> ElementTree.Element:
    def count(tag: str) -> str:
        return str(sum(case.find(tag) is not None for case in cases))

    suite = _element(
        "testsuite",
        name=name,
        tests=str(len(cases)),
        failures=count("failure"),
        errors=count("error"),
        skipped=count("skipped"),
        time=f"{duration:.3f}",
        # Readers of JUnit want no zone and no fraction; it is UTC.
        timestamp=started.strftime("%Y-%m-%dT%H:%M:%S"),
        hostname=host.name if host else "unknown",
    )
    suite.append(_properties({**_flight_properties(result, host), **about}))
    suite.extend(cases)
    return suite


def _case(classname: str, step: StepResult) -> ElementTree.Element:
    case = _element("testcase", classname=classname, name=step.testid, time=f"{step.duration:.3f}")
    if step.phases:
        phases = {f"phase.{part.name}": f"{part.duration:.3f}" for part in step.phases}
        case.append(_properties(phases))
    if step.status in ELEMENTS:
        case.append(_outcome(step))
    elif step.evidence:
        case.append(_element("system-out"))
        case[-1].text = clean(step.evidence)
    return case


def _outcome(step: StepResult) -> ElementTree.Element:
    tag = ELEMENTS[step.status]
    message = step.reason or str(step.status)
    if tag == "skipped":
        message = f"{step.status}: {step.reason or 'no reason was given'}"
    outcome = _element(tag, type=step.failure_class or str(step.status), message=message)
    phase = f"phase: {step.phase}\n" if step.phase else ""
    outcome.text = clean(phase + step.evidence) or None
    return outcome


def _flight_properties(result: FlightResult, host: HostFacts | None) -> dict[str, str]:
    found = {"flight_id": result.flight_id, "harness": result.harness_version}
    if host:
        found["host"] = host.name
        found["host_kind"] = host.kind
        found["xen"] = host.xen_version or "unknown"
        found["dom0_kernel"] = host.dom0_kernel or "unknown"
    return found


def _properties(values: Mapping[str, str]) -> ElementTree.Element:
    properties = ElementTree.Element("properties")
    properties.extend(_element("property", name=key, value=values[key]) for key in values)
    return properties


def _element(tag: str, **attributes: str) -> ElementTree.Element:
    # ElementTree writes any character, also those that no XML parser takes: clean them first.
    return ElementTree.Element(tag, {key: one_line(text) for key, text in attributes.items()})
