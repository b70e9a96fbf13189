"""JUnit XML, read back with a parser as a CI system would."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_samples import PV, PVH, STEPS, Flight, failed_flight, header, passed_flight, planned

from harness.report.junit import junit_xml, write_junit
from harness.results.events import StepFinished
from harness.results.log import FlightLog
from harness.results.model import FlightResult, StepResult
from harness.status import Status


def parsed(result: FlightResult) -> ElementTree.Element:
    return ElementTree.fromstring(junit_xml(result).encode())


def numbers(element: ElementTree.Element) -> tuple[int, ...]:
    return tuple(int(element.attrib[key]) for key in ("tests", "failures", "errors", "skipped"))


def test_suite_for_each_job_and_case_for_each_step(tmp_path: Path) -> None:
    root = parsed(failed_flight(tmp_path / "f1"))
    suites = {suite.attrib["name"]: suite for suite in root}
    assert list(suites) == [PV, PVH, "lab problems"]
    assert [case.attrib["name"] for case in suites[PV].iter("testcase")] == list(STEPS)
    assert numbers(suites[PV]) == (7, 0, 0, 0)
    assert numbers(suites[PVH]) == (7, 1, 0, 5)
    assert numbers(root) == (15, 1, 1, 5)
    assert suites[PV].attrib["time"] == "14.000"
    assert suites[PVH].attrib["timestamp"] == "2024-11-22T09:00:14"
    assert {case.attrib["time"] for case in suites[PV].iter("testcase")} == {"2.000"}


def test_failure_has_class_reason_phase_and_evidence(tmp_path: Path) -> None:
    root = parsed(failed_flight(tmp_path / "f1"))
    case = root.find(f"testsuite[@name='{PVH}']/testcase[@name='guest-boot']")
    assert case is not None
    assert case.attrib["classname"] == f"smoke.{PVH}"
    failure = case.find("failure")
    assert failure is not None
    assert failure.attrib == {
        "type": "no-root",
        "message": "the kernel could not mount its root filesystem",
    }
    text = failure.text or ""
    assert text.startswith("phase: kernel\n[    4.201933] List of all partitions:\n")
    assert "Kernel panic - not syncing: VFS" in text
    phases = {item.attrib["name"]: item.attrib["value"] for item in case.iter("property")}
    assert phases == {"phase.bootloader": "0.250", "phase.kernel": "1.750"}


def test_properties_tell_flight_host_and_xen(tmp_path: Path) -> None:
    root = parsed(passed_flight(tmp_path / "f1"))
    found = {item.attrib["name"]: item.attrib["value"] for item in root.iter("property")}
    expected = {"flight_id": "f1", "host": "testbox", "xen": "4.17.5", "virt": "pv"}
    assert expected.items() <= found.items()


def test_an_earlier_attempt_is_a_property(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    flight.step(PV, "guest-create", Status.BROKEN, reason="the pool is full")
    flight.recorder.job_ended(PV, host="rack1")
    flight.recorder.job_retried(PV)
    flight.passing_job(PV)
    text = junit_xml(flight.recorder.finish())
    assert 'name="attempt.1" value="broken on rack1: guest-create: the pool is full"' in text


@pytest.mark.parametrize(
    ("status", "tag", "message"),
    [
        (Status.FAIL, "failure", "why"),
        (Status.BROKEN, "error", "why"),
        (Status.ABORTED, "error", "why"),
        (Status.BLOCKED, "skipped", "blocked: why"),
        (Status.STARVED, "skipped", "starved: why"),
        (Status.SKIP, "skipped", "skip: why"),
    ],
)
def test_each_status_has_its_element(
    tmp_path: Path, status: Status, tag: str, message: str
) -> None:
    flight = Flight(tmp_path / "f1", planned(PV, ("only",)))
    flight.step(PV, "only", status, reason="why")
    outcome = parsed(flight.recorder.finish()).find(f"testsuite/testcase/{tag}")
    assert outcome is not None
    assert outcome.attrib == {"type": str(status), "message": message}


def test_pass_has_no_element(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1", planned(PV, ("only",)))
    flight.step(PV, "only")
    case = parsed(flight.recorder.finish()).find("testsuite/testcase")
    assert case is not None
    assert list(case) == []


def test_problem_of_the_lab_is_an_error(tmp_path: Path) -> None:
    error = parsed(failed_flight(tmp_path / "f1")).find("testsuite[@name='lab problems']//error")
    assert error is not None
    assert "LV vg0/xf-1f3a-root is still there: [red]open[/red]" in error.attrib["message"]


@given(st.text(), st.text(), st.text())
def test_whatever_a_guest_says_is_valid_xml(evidence: str, reason: str, word: str) -> None:
    log = FlightLog(header(planned(PV, ("only",))))
    step = StepResult(
        testid="only", status=Status.FAIL, evidence=evidence, reason=reason, failure_class=word
    )
    at = log.header.started
    log.add(StepFinished(at=at, job=PV, step=step))
    assert numbers(parsed(log.result())) == (1, 1, 0, 0)


def test_control_characters_and_markup_are_made_harmless(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1", planned(PV, ("only",)))
    evidence = "a\x00\x0b\x1b[31m]]><b>&\ufffe\ud800"
    flight.step(PV, "only", Status.FAIL, evidence=evidence, reason="\x01<&>\"'\n2")
    failure = parsed(flight.recorder.finish()).find("testsuite/testcase/failure")
    assert failure is not None
    assert failure.text == "a]]><b>&\ufffd?"
    assert failure.attrib["message"] == "<&>\"' 2"


def test_file_is_written(tmp_path: Path) -> None:
    result = passed_flight(tmp_path / "f1")
    write_junit(result, tmp_path / "junit.xml")
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().attrib["name"] == "smoke"
