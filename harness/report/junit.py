"""JUnit XML, as GitLab, Jenkins and GitHub's actions read it.

A suite for each job, a case for each step. `fail` is a failure, `broken` and `aborted` are
errors, and the rest that did not pass is skipped, with the word in front of the reason. What
is wrong with our lab and belongs to no step gets a suite of its own, so that CI sees it.

Elements and attributes are those of junit-10.xsd of Jenkins' xunit plugin, and no others. GitLab
takes no file of 30 MB or more, and of cases with one name the first only (its documentation of
unit test reports), so texts are cut, and an earlier attempt is no case of its own but Surefire's
``flakyError`` in that of the last, or ``rerunError`` if that failed, too.
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
from harness.results.rules import FLIGHT, LAB_PROBLEMS, first_bad, host_of
from harness.status import Status

ELEMENTS = {
    Status.FAIL: "failure",
    Status.BROKEN: "error",
    Status.ABORTED: "error",
    Status.BLOCKED: "skipped",
    Status.STARVED: "skipped",
    Status.SKIP: "skipped",
}


MOST = 64 << 10
"""Characters of one text, its end."""
MOST_OF_ALL = 4 << 20
"""The same of all of them. A character takes up to six bytes, and GitLab takes 30 MB."""
MOST_MESSAGE = 2 << 10
_TRIED = {Status.FAIL: "Failure"}


def write_junit(result: FlightResult, path: Path, *, files: str = "") -> None:
    """Write *result* to *path*, whole or not at all; *files* as for `junit_xml`."""
    write_atomically(path, junit_xml(result, files=files))


def junit_xml(result: FlightResult, *, files: str = "") -> str:
    """The document as text.

    *files*: the flight's directory as CI knows it, which is from the root of its checkout; failures
    then name their consoles there, in a line that GitLab and Jenkins make a link of.
    """
    name = f"{result.flight} ({SIMULATED})" if result.simulated else result.flight
    root = ElementTree.Element("testsuites", name=name, time=f"{result.duration:.3f}")
    writer = _Writer(result, files)
    for job in result.jobs:
        root.append(writer.job(job))
    if result.problems:
        root.append(writer.problems())
    if result.leak_check:
        root.append(writer.flight(result.leak_check))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


class _Writer:
    """Makes the suites of one flight."""

    def __init__(self, result: FlightResult, files: str) -> None:
        self._result = result
        self._files = files.rstrip("/")
        told = sum(
            bool(step.evidence)
            for job in result.jobs
            for steps in (job.steps, *(attempt.steps for attempt in job.attempts))
            for step in steps
        )
        self._most = max(1024, min(MOST, MOST_OF_ALL // max(1, told)))

    def job(self, job: JobResult) -> ElementTree.Element:
        """That of a job, with its attempts in the cases of the last."""
        result = self._result
        bad = first_bad(job.steps)
        cases = []
        for step in job.steps:
            case = self._case(f"{result.flight}.{job.name}", step, link=self._link(job, step, bad))
            self._add_attempts(case, job, step)
            cases.append(case)
        about = {"dist": job.dist, "arch": job.arch, "virt": job.virt, "boot": job.boot}
        for number, attempt in enumerate(job.attempts, start=1):
            where = f" on {attempt.host}" if attempt.host else ""
            about[f"attempt.{number}"] = f"{attempt.status}{where}: {attempt.reason or ''}"
        host = host_of(result.hosts, job)
        started = job.started or result.started
        return _suite(result, job.name, cases, started, job.duration, host, about)

    def problems(self) -> ElementTree.Element:
        """What is wrong with the lab and belongs to no step."""
        cases = []
        for number, text in enumerate(self._result.problems, start=1):
            name = f"{self._result.flight}.{LAB_PROBLEMS}"
            case = _element("testcase", classname=name, name=f"{number}", time="0.000")
            case.append(_element("error", type="lab", message=_message(text)))
            cases.append(case)
        return _suite(self._result, LAB_PROBLEMS, cases, self._result.started, 0.0, None, {})

    def flight(self, leak_check: StepResult) -> ElementTree.Element:
        """What belongs to the flight and to no job of it."""
        case = self._case(f"{self._result.flight}.{FLIGHT}", leak_check)
        started = leak_check.started or self._result.started
        return _suite(self._result, FLIGHT, [case], started, leak_check.duration, None, {})

    def _case(self, classname: str, step: StepResult, link: str = "") -> ElementTree.Element:
        case = _element(
            "testcase", classname=classname, name=step.testid, time=f"{step.duration:.3f}"
        )
        said = [link] if link else []
        said += [f"phase {one.name}: {one.duration:.3f} s, {one.status}" for one in step.phases]
        if step.status in ELEMENTS:
            case.append(self._outcome(step))
        elif step.evidence:
            said.append(self._text(step.evidence))
        if said:
            case.append(_element("system-out"))
            case[-1].text = clean("\n".join(said))
        return case

    def _outcome(self, step: StepResult) -> ElementTree.Element:
        tag = ELEMENTS[step.status]
        message = step.reason or str(step.status)
        if tag == "skipped":
            message = f"{step.status}: {step.reason or 'no reason was given'}"
        kind = step.failure_class or str(step.status)
        outcome = _element(tag, type=kind, message=_message(message))
        phase = f"phase: {step.phase}\n" if step.phase else ""
        outcome.text = clean(phase + self._text(step.evidence)) or None
        return outcome

    def _add_attempts(self, case: ElementTree.Element, job: JobResult, step: StepResult) -> None:
        """What the step was in attempts before the last, where it was a failure of its own."""
        how = "flaky" if step.status is Status.PASS else "rerun"
        for attempt in job.attempts:
            for one in attempt.steps:
                if one.testid != step.testid or ELEMENTS.get(one.status) in (None, "skipped"):
                    continue
                tried = _element(
                    how + _TRIED.get(one.status, "Error"),
                    type=one.failure_class or str(one.status),
                    message=_message(one.reason or str(one.status)),
                )
                if one.evidence:
                    tried.append(_element("stackTrace"))
                    tried[-1].text = clean(self._text(one.evidence))
                case.append(tried)

    def _link(self, job: JobResult, step: StepResult, bad: StepResult | None) -> str:
        """Where the console is, of the first step that did not pass."""
        if step is not bad or not self._files or not job.console_log:
            return ""
        return f"[[ATTACHMENT|{one_line(f'{self._files}/{job.console_log}')}]]"

    def _text(self, text: str) -> str:
        if len(text) <= self._most:
            return text
        return (
            f"[{len(text) - self._most} characters before this are left out]\n"
            + (text[-self._most :])
        )


def _message(text: str) -> str:
    return text if len(text) <= MOST_MESSAGE else f"{text[:MOST_MESSAGE]} ..."


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
