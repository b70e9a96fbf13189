"""JUnit of any tool's becomes a flight; what is malformed or hostile is refused with its place."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from results_samples import failed_flight
from storelab import JOB, START, flight, job, step

from harness.errors import UsageError
from harness.report.junit import junit_xml
from harness.results.model import FlightResult, StepResult
from harness.status import Status
from harness.steps import LEAK_CHECK
from harness.store.about import About
from harness.store.junit import parse
from harness.store.junit.flight import Said, junit_flight
from harness.store.limits import check_limits

DATA = Path(__file__).parents[1] / "data" / "junit"
SAID = Said(branch="staging", time=START)


def read(path: Path, said: Said = SAID) -> tuple[FlightResult, About]:
    return junit_flight(path, said)


def write(path: Path, text: str) -> Path:
    file = path / "junit.xml"
    file.write_text(text)
    return file


def steps(result: FlightResult) -> dict[str, tuple[Status, str | None]]:
    return {one.testid: (one.status, one.reason) for job in result.jobs for one in job.steps}


# -- what tools really write -----------------------------------------------------------


def test_pytests_own() -> None:
    result, about = read(DATA / "pytest.xml", Said(branch="staging"))
    (found,) = result.jobs
    assert (found.name, found.status) == ("pytest", Status.FAIL)
    assert steps(result) == {
        "test_some.test_passes": (Status.PASS, None),
        "test_some.test_fails": (Status.FAIL, "assert 1 == 2"),
        "test_some.test_errs": (
            Status.BROKEN,
            'failed on setup with "RuntimeError: no lab"',
        ),
        "test_some.test_skips": (Status.SKIP, "not here"),
        "test_some.test_param[a b]": (Status.PASS, None),
    }
    assert "assert 1 == 2" in found.steps[1].evidence
    assert len(result.hosts) == 1
    assert about.branch == "staging"
    assert result.flight_id.startswith("junit-2")


def test_our_own_comes_back(tmp_path: Path) -> None:
    made = failed_flight(tmp_path / "smoke-1")
    result, about = read(write(tmp_path, junit_xml(made)), Said(branch="smoke", blessing="real"))
    assert result.flight_id == made.flight_id
    assert (result.status, result.started) == (made.status, made.started)
    assert [found.name for found in result.jobs] == [found.name for found in made.jobs]
    for mine, theirs in zip(result.jobs, made.jobs, strict=True):
        assert mine.status is theirs.status
        assert [(one.testid, one.status) for one in mine.steps] == [
            (one.testid, one.status) for one in theirs.steps
        ]
        assert (mine.dist, mine.virt) == (theirs.dist, theirs.virt)
    assert len(result.problems) == 1
    (host,) = result.hosts
    assert (host.name, host.xen_version) == ("testbox", "4.17.5")
    assert {one.host for one in result.jobs} == {"testbox"}
    assert (about.branch, about.blessing) == ("smoke", "real")


def test_our_leak_check_is_the_flight_s_and_no_job(tmp_path: Path) -> None:
    left = StepResult(testid=LEAK_CHECK, status=Status.BROKEN, reason="an LV is left")
    made = failed_flight(tmp_path / "smoke-1").model_copy(update={"leak_check": left})
    result, _ = read(write(tmp_path, junit_xml(made)), Said(branch="smoke"))
    assert [job.name for job in result.jobs] == [job.name for job in made.jobs]
    assert result.leak_check is not None
    assert (result.leak_check.status, result.leak_check.reason) == (left.status, left.reason)
    assert result.status is Status.BROKEN
    # Another tool may call a suite so, and then it is one.
    file = write(tmp_path, '<testsuite name="flight"><testcase name="x"/></testsuite>')
    said = Said(branch="b", time=datetime(2024, 10, 21, tzinfo=UTC))
    assert [job.name for job in read(file, said)[0].jobs] == ["flight"]


def test_the_file_may_say_all_of_it(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """<testsuite name="xtf"><properties>
        <property name="xenflight.flight" value="188314"/>
        <property name="xenflight.branch" value="xen-unstable"/>
        <property name="xenflight.blessing" value="real"/>
        <property name="xenflight.time" value="2024-10-21T04:00:00+02:00"/>
        <property name="xenflight.host" value="godello0"/>
        <property name="xenflight.revision.xen" value="740c41ca05"/>
        </properties><testcase name="test-hvm64-xsa-186" time="0.5"/></testsuite>""",
    )
    result, about = read(file, Said())
    assert result.flight_id == "188314"
    assert result.started == datetime(2024, 10, 21, 2, 0, tzinfo=UTC)
    assert [host.name for host in result.hosts] == ["godello0"]
    assert [one.host for one in result.jobs] == ["godello0"]
    assert (about.branch, about.blessing) == ("xen-unstable", "real")
    assert about.revisions == {"xen": "740c41ca05"}
    # The command line goes before the file.
    result, about = read(file, Said(flight="x1", branch="b", revisions={"xen": "1"}))
    assert (result.flight_id, about.branch, about.revisions) == ("x1", "b", {"xen": "1"})


def test_suites_that_ran_on_several_hosts(tmp_path: Path) -> None:
    suite = """<testsuite name="{0}" hostname="{1}"><properties><property name="xen" value="{2}"/>
        </properties><testcase name="x"/></testsuite>"""
    suites = [("a", "rack1", "4.17.5"), ("b", "rack2", "4.20.0"), ("c", "", ""), ("d", "rack1", "")]
    text = "".join(suite.format(*one) for one in suites)
    file = write(tmp_path, f"<testsuites>{text}</testsuites>")
    said = Said(branch="b", time=datetime(2024, 10, 21, tzinfo=UTC))
    result, _ = read(file, said)
    assert [job.host for job in result.jobs] == ["rack1", "rack2", None, "rack1"]
    assert {host.name: host.xen_version for host in result.hosts} == {
        "rack1": "4.17.5",
        "rack2": "4.20.0",
    }


def test_the_same_file_is_the_same_flight_and_another_is_another(tmp_path: Path) -> None:
    text = '<testsuite name="a"><testcase name="x"/></testsuite>'
    first = read(write(tmp_path, text))[0].flight_id
    assert read(write(tmp_path, text))[0].flight_id == first
    assert read(write(tmp_path, text.replace('"x"', '"y"')))[0].flight_id != first


def test_names_that_come_twice_are_numbered(tmp_path: Path) -> None:
    case = '<testcase name="guest-start"/>'
    suite = f'<testsuite name="a">{case * 3}</testsuite>'
    result, _ = read(write(tmp_path, f"<testsuites>{suite * 2}</testsuites>"))
    assert [found.name for found in result.jobs] == ["a", "a.2"]
    assert [one.testid for one in result.jobs[1].steps] == [
        "guest-start",
        "guest-start.2",
        "guest-start.3",
    ]


def test_suites_in_suites_namespaces_and_cases_without_a_suite(tmp_path: Path) -> None:
    result, _ = read(
        write(
            tmp_path,
            '<testsuites xmlns="urn:x" name="all"><testsuite name="out"><testsuite name="in">'
            '<testcase name="a" classname="in"/></testsuite><testcase name="b"/></testsuite>'
            '<testcase name="c"/></testsuites>',
        )
    )
    found = {job.name: [one.testid for one in job.steps] for job in result.jobs}
    assert found == {"out": ["b"], "in": ["a"], "all": ["c"]}


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("1.5", 1.5), ("1,234.5", 1234.5), ("", 0.0), ("-3", 0.0), ("nan", 0.0), ("1e300", 1e9)],
)
def test_odd_times(tmp_path: Path, time: str, seconds: float) -> None:
    text = f'<testsuite name="a"><testcase name="x" time="{time}"/></testsuite>'
    result, _ = read(write(tmp_path, text))
    assert result.jobs[0].steps[0].duration == seconds


# -- what is refused -------------------------------------------------------------------

CASE = '<testcase name="x"/>'
BOMB = '<!DOCTYPE t [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><testsuite name="&b;"/>'
OUTSIDE = '<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuite name="&x;"/>'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"xml:1:1: this is no XML"),
        ("<testsuite>\n  <testcase", r"xml:2:\d+: this is no XML"),
        ("<testsuite name='a'>" + CASE, r"xml:1:\d+: this is no XML"),
        (BOMB, r"xml: a document type or an entity is declared"),
        (OUTSIDE, r"xml: a document type or an entity is declared"),
        ("<html><body/></html>", r"xml: this is no JUnit: it begins with <html>"),
        ("<testsuites/>", r"xml: there is no test case in it"),
        (f"<testsuite name='{'n' * 501}'>{CASE}</testsuite>", r"has 501 letters, more than 500"),
        ("<testsuite>" + "<a>" * 80 + "</a>" * 80 + "</testsuite>", r"more than 60 deep"),
        (
            f"<testsuite><properties><property name='xenflight.flight' value='../../x'/>"
            f"</properties>{CASE}</testsuite>",
            r"'\.\./\.\./x' can't be the id of a flight",
        ),
        (
            "<testsuite><testcase name='x' time='soon'/></testsuite>",
            r"time='soon' is no number of seconds",
        ),
        ("<?xml version='1.0' encoding='utf-99'?><testsuite/>", r"xml(:\d+:\d+)?: this is no XML"),
    ],
)
def test_malformed_and_hostile(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read(write(tmp_path, text))


@pytest.mark.parametrize(
    ("said", "hint"),
    [(Said(time=START), "--branch NAME"), (Said(branch="b"), "--time 2026")],
)
def test_what_nobody_says_is_asked_for(tmp_path: Path, said: Said, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        read(write(tmp_path, f"<testsuite>{CASE}</testsuite>"), said)


def test_it_is_read_to_a_bound_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "MOST_BYTES", 1000)
    with pytest.raises(UsageError, match="the file is larger than"):
        read(write(tmp_path, f"<testsuite>{CASE * 200}</testsuite>"))
    monkeypatch.setattr(parse, "MOST_BYTES", 1 << 20)
    monkeypatch.setattr(parse, "MOST_CASES", 10)
    with pytest.raises(UsageError, match="more than 10 test cases"):
        read(write(tmp_path, f"<testsuite>{CASE * 11}</testsuite>"))


def test_no_more_of_a_text_is_kept_than_a_page(tmp_path: Path) -> None:
    noise = "".join(random.Random(1).choices("abc \n", k=100_000))
    text = f"<testsuite><testcase name='x'><failure>{noise}END</failure></testcase></testsuite>"
    result, _ = read(write(tmp_path, text))
    evidence = result.jobs[0].steps[0].evidence
    assert len(evidence) <= parse.LONGEST_TEXT
    assert evidence.endswith("END")


NAMES = st.text(min_size=1, max_size=12)
ODD = st.builds(
    lambda names: [job(JOB, steps=tuple(step(name) for name in names))],
    st.lists(NAMES, min_size=1, max_size=4, unique=True),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=ODD)
def test_whatever_we_write_is_read(tmp_path: Path, jobs: list) -> None:  # type: ignore[type-arg]
    made = flight(1, *jobs)
    result, _ = read(write(tmp_path, junit_xml(made)))
    check_limits(result)
    assert [len(found.steps) for found in result.jobs] == [len(found.steps) for found in made.jobs]
    assert result.status is made.status


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=60), at=st.integers(0, 400), cut=st.integers(0, 40))
def test_a_file_with_bytes_changed_is_read_or_refused(
    tmp_path: Path, data: bytes, at: int, cut: int
) -> None:
    """Never anything but a flight that can be stored, or a refusal."""
    good = (DATA / "pytest.xml").read_bytes()
    file = tmp_path / "junit.xml"
    file.write_bytes(good[:at] + data + good[at + cut :])
    with suppress(UsageError):
        result, _ = read(file)
        check_limits(result)
