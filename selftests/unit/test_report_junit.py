"""JUnit XML, read back with a parser as a CI system would."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_samples import PV, PVH, STEPS, Flight, failed_flight, header, passed_flight, planned

from harness.report.junit import junit_xml, write_junit
from harness.results.events import StepFinished
from harness.results.load import recover_results
from harness.results.log import FlightLog
from harness.results.model import FlightResult, StepResult
from harness.status import Status


def parsed(result: FlightResult) -> ElementTree.Element:
    return ElementTree.fromstring(junit_xml(result).encode())


def numbers(element: ElementTree.Element) -> tuple[int, ...]:
    keys = ("tests", "failures", "errors", "skipped")
    return tuple(int(element.attrib[key]) for key in keys if key in element.attrib)


def test_suite_for_each_job_and_case_for_each_step(tmp_path: Path) -> None:
    root = parsed(failed_flight(tmp_path / "f1"))
    suites = {suite.attrib["name"]: suite for suite in root}
    assert list(suites) == [PV, PVH, "lab problems"]
    assert [case.attrib["name"] for case in suites[PV].iter("testcase")] == list(STEPS)
    assert numbers(suites[PV]) == (7, 0, 0, 0)
    assert numbers(suites[PVH]) == (7, 1, 0, 5)
    assert numbers(root) == (15, 1, 1)
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
    assert case.findtext("system-out") == (
        "phase bootloader: 0.250 s, pass\nphase kernel: 1.750 s, fail"
    )


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
    root = parsed(log.result())
    assert numbers(root) == (1, 1, 0)
    check_shape(root)


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


# -- what its readers take -----------------------------------------------------------------

RETRY = {"type", "message"}
SHAPE: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"time", "skipped", "timestamp", "hostname"},
        {"properties", "testcase"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": (
        {"name"},
        {"time", "classname"},
        {"failure", "error", "skipped", "system-out", "flakyFailure", "flakyError"}
        | {"rerunFailure", "rerunError"},
    ),
    **dict.fromkeys(("failure", "error", "skipped"), (set(), RETRY, set())),
    **dict.fromkeys(
        ("flakyFailure", "flakyError", "rerunFailure", "rerunError"),
        ({"type"}, RETRY, {"stackTrace"}),
    ),
    "stackTrace": (set(), set(), set()),
    "system-out": (set(), set(), set()),
}
"""What junit-10.xsd of Jenkins' xunit plugin knows of what we write: for each element the
attributes that it must and that it may have, and its children."""
SUREFIRE_TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")


def check_shape(root: ElementTree.Element) -> None:
    for element in root.iter():
        must, may, children = SHAPE[element.tag]
        assert must <= element.attrib.keys() <= must | may, element.tag
        assert {child.tag for child in element} <= children, element.tag
        if element.tag in ("testsuites", "testsuite"):
            assert SUREFIRE_TIME.fullmatch(element.attrib["time"])


def tried_twice(directory: Path, *, passes: bool) -> FlightResult:
    flight = Flight(directory)
    flight.step(PV, "guest-create")
    flight.step(PV, "guest-boot", Status.BROKEN, reason="\x1b[1mlost", evidence="last words")
    flight.step(PV, "guest-ssh", Status.BLOCKED, reason="guest-boot did not pass (broken)")
    flight.recorder.job_ended(PV, host="rack1")
    flight.recorder.job_retried(PV)
    if passes:
        flight.passing_job(PV)
    else:
        flight.failing_job(PV)
    return flight.recorder.finish()


@pytest.mark.parametrize(("passes", "tag"), [(True, "flakyError"), (False, "rerunError")])
def test_an_attempt_is_told_as_surefire_does(tmp_path: Path, passes: bool, tag: str) -> None:
    root = parsed(tried_twice(tmp_path / "f1", passes=passes))
    check_shape(root)
    (tried,) = [case for case in root.iter("testcase") if case.find(tag) is not None]
    assert tried.attrib["name"] == "guest-boot"
    found = tried.find(tag)
    assert found is not None
    assert found.attrib == {"type": "broken", "message": "lost"}
    assert found.findtext("stackTrace") == "last words"
    assert numbers(root) == (7, 0 if passes else 1, 0), "what counts is the last"


def test_shape_of_all_that_there_is(tmp_path: Path) -> None:
    check_shape(parsed(failed_flight(tmp_path / "f1")))


def test_a_failure_leads_to_its_console(tmp_path: Path) -> None:
    xml = junit_xml(failed_flight(tmp_path / "f1"), files="reports/runs/f1/")
    root = ElementTree.fromstring(xml.encode())
    texts = [text for case in root.iter("testcase") if (text := case.findtext("system-out"))]
    (linked,) = [text for text in texts if "ATTACHMENT" in text]
    first, *phases = linked.splitlines()
    assert first == f"[[ATTACHMENT|reports/runs/f1/jobs/{PVH}/console.log]]"
    assert len(phases) == 2


def test_no_two_cases_have_one_name(tmp_path: Path) -> None:
    root = parsed(failed_flight(tmp_path / "f1"))
    names = [(case.attrib["classname"], case.attrib["name"]) for case in root.iter("testcase")]
    assert len(names) == len(set(names)), "GitLab takes the first of them only"


def test_a_flight_of_nothing_but_noise_is_still_small_enough(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    noise = "\U0001f600&<\x00" * (1 << 17)
    flight.step(PV, "guest-create", Status.FAIL, reason=noise, evidence=noise)
    result = flight.recorder.finish()
    (job,) = result.jobs
    many = tuple(job.model_copy(update={"name": f"job-{number}"}) for number in range(400))
    xml = junit_xml(result.model_copy(update={"jobs": many}))
    assert len(xml.encode()) < 30_000_000, "GitLab takes no more"
    assert "characters before this are left out]" in xml


def test_a_killed_flight_is_told_as_cut_short(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1", planned(PV))
    flight.step(PV, "guest-create")
    flight.recorder.step_started(PV, "guest-boot")
    root = parsed(recover_results(tmp_path / "f1"))
    errors = [error.attrib["type"] for error in root.iter("error")]
    assert errors == ["aborted"] * (len(STEPS) - 1)
