"""Leak checks: when they are made, when they are told, and that no other step changes by them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from harness.status import Status
from harness.steps import LEAK_CHECK
from plugin.project import PV, PVH, Project
from plugin.test_statuses import ONE, suite_with

PASSED = (Status.PASS, "")
LEAK = "LV xf-0123456789ab-root, mount /mnt"
WORKERS = pytest.mark.parametrize("workers", [(), ("-n", "2")])


def allure(project: Project) -> dict[str, dict[str, Any]]:
    files = (project.flight_directory / "allure").glob("*-result.json")
    found = [json.loads(file.read_text()) for file in files]
    return {one["name"]: one for one in found}


def junit(project: Project) -> dict[tuple[str, str], ET.Element]:
    root = ET.parse(project.flight_directory / "junit.xml").getroot()
    return {(case.attrib["classname"], case.attrib["name"]): case for case in root.iter("testcase")}


@WORKERS
def test_every_job_ends_with_one_and_so_does_the_flight(
    project: Project, workers: tuple[str, ...]
) -> None:
    assert project.run(*workers).ret == 0
    for job in (PV, PVH):
        assert project.leak_check(job) == PASSED
    assert project.results["leak_check"]["status"] == "pass"
    assert project.results["schema_version"] == 3


@WORKERS
def test_a_leak_is_broken_on_a_line_of_its_own(project: Project, workers: tuple[str, ...]) -> None:
    project.lab(f"leaks={{'{PV}': '{LEAK}'}}")
    result = project.run(*workers)
    assert result.ret == 4
    assert set(project.steps().values()) == {Status.PASS}, "no step of the guest failed"
    assert project.leak_check() == (Status.BROKEN, f"left on the fake host: {LEAK}")
    assert project.step(LEAK_CHECK)["failure_class"] == "leak"
    assert project.job()["status"] == "broken"
    assert project.job(PVH)["status"] == "pass"
    result.stdout.fnmatch_lines(
        [
            f"broken: {LEAK_CHECK} of {PV}: left on *",
            "*| left behind, ours:",
            f"*|   + {LEAK}",
            "*left there: *nothing of ours",
        ]
    )
    assert "ERROR" not in str(result.stdout), "pytest knows nothing of it"


def test_it_is_in_every_report(project: Project) -> None:
    project.lab(f"leaks={{'{PV}': '{LEAK}'}}, flight_leak='mount /mnt'")
    project.run()
    cases = junit(project)
    error = cases[f"smoke.{PV}", LEAK_CHECK].find("error")
    assert error is not None
    assert error.attrib == {"type": "leak", "message": f"left on the fake host: {LEAK}"}
    assert LEAK in (error.text or "")
    assert cases[f"smoke.{PVH}", LEAK_CHECK].find("error") is None
    assert cases["smoke.flight", LEAK_CHECK].find("error") is not None
    found = allure(project)
    check = found[f"{LEAK_CHECK}[{PV}]"]
    assert check["status"] == "broken"
    assert LEAK in check["statusDetails"]["trace"]
    assert check["stop"] - check["start"] == 500
    assert found[f"{LEAK_CHECK}[{PVH}]"]["status"] == "passed"
    assert found[f"{LEAK_CHECK}[smoke]"]["status"] == "broken"
    names = [name for name in found if LEAK_CHECK not in name]
    assert {found[name]["status"] for name in names} == {"passed"}


def test_a_leak_of_the_flight_is_broken_and_no_jobs(project: Project) -> None:
    project.lab(f"flight_leak='{LEAK}'")
    result = project.run()
    assert result.ret == 4
    assert [job["status"] for job in project.results["jobs"]] == ["pass", "pass"]
    assert project.results["leak_check"]["status"] == "broken"
    assert project.results["problems"] == []
    result.stdout.fnmatch_lines([f"broken: {LEAK_CHECK} of flight smoke: left on *"])
    assert "left there:" not in str(result.stdout)


def test_a_guests_failure_stays_the_word_of_its_job(project: Project) -> None:
    project.lab(f"leaks={{'{PV}': '{LEAK}'}}")
    project.suite(suite_with("assert guest is None, 'it died'"))
    result = project.run(*ONE)
    assert result.ret == 5, "fail is what the job is; the leak is a line of its own"
    assert project.job()["status"] == "fail"
    assert project.leak_check()[0] is Status.BROKEN
    result.stdout.fnmatch_lines([f"fail: guest-boot of {PV}", f"broken: {LEAK_CHECK} of {PV}: *"])


@WORKERS
@pytest.mark.parametrize(
    ("error", "said"),
    [("LabError('rack does not answer')", "rack does not answer"), ("KeyError('x')", "KeyError")],
)
def test_a_host_that_cannot_be_asked(
    project: Project, workers: tuple[str, ...], error: str, said: str
) -> None:
    project.lab(f"unasked={{'{PV}': {error}}}")
    conftest = project.path / "conftest.py"
    conftest.write_text("from harness.errors import LabError\n" + conftest.read_text())
    assert project.run(*workers).ret == 4
    status, reason = project.leak_check()
    assert status is Status.BROKEN
    assert reason.startswith(f"not made: {said}")
    assert set(project.steps().values()) == {Status.PASS}
    assert project.leak_check(PVH) == PASSED


def test_the_next_job_does_not_wait_for_it(project: Project) -> None:
    """It is told of when it is done: here that is while the next job ends."""
    project.lab(f"late_checks={{'{PV}': '{PVH}'}}, leaks={{'{PV}': '{LEAK}'}}")
    result = project.run("-v")
    assert result.ret == 4
    assert project.did.index(f"remove {PV}") < project.did.index(f"make {PVH}")
    assert project.leak_check()[0] is Status.BROKEN
    assert project.leak_check(PVH) == PASSED
    lines = (project.flight_directory / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    told = [
        (event["job"], event["step"]["testid"])
        for event in events
        if event["event"] == "step-finished"
    ]
    assert told.index((PVH, "guest-gone")) < told.index((PV, LEAK_CHECK))
    ended = next(event for event in events if event["event"] == "job-ended")
    assert ended["job"] == PV
    assert project.job()["status"] == "broken", "though it had ended"


def test_one_that_is_still_to_come_at_the_end_is_waited_for(project: Project) -> None:
    project.lab(f"late_checks={{'{PV}': ''}}, leaks={{'{PV}': '{LEAK}'}}")
    assert project.run(*ONE).ret == 4
    assert project.leak_check()[0] is Status.BROKEN


class TestWithoutAGuest:
    """Nothing was taken, so nothing can be left; it is a step all the same."""

    def test_that_could_not_be_had(self, project: Project) -> None:
        project.lab(f"broken_images={{'{PV}': 'cannot be built'}}")
        assert project.run(*ONE).ret == 4
        assert project.leak_check() == (
            Status.BLOCKED,
            "it had no guest, and took nothing on a host",
        )

    def test_that_nobody_asked_for(self, project: Project) -> None:
        mark = "import pytest\n@pytest.mark.ends_guest\n"
        project.suite(f"{mark}def test_guest_gone(guest): pass\n")
        assert project.run(*ONE, "--keep", "always").ret == 3
        assert project.leak_check()[0] is Status.SKIP

    @WORKERS
    def test_on_a_host_that_cannot_run_it(self, project: Project, workers: tuple[str, ...]) -> None:
        project.lab(f"skips={{'{PVH}': 'rack: no'}}")
        assert project.run(*workers).ret == 0
        assert project.leak_check(PVH) == (Status.SKIP, "rack: no")
        assert project.leak_check(PV) == PASSED


def test_that_nothing_leaked_proves_nothing_of_a_guest(project: Project) -> None:
    project.suite("import pytest\n\ndef test_guest_boot(guest): pytest.skip('not today')\n")
    assert project.run(*ONE).ret == 3
    assert project.leak_check() == PASSED
    assert project.job()["status"] == project.results["status"] == "skip"


@pytest.mark.parametrize("when", ["always", "on-failure"])
def test_a_kept_guest_is_checked_too(project: Project, when: str) -> None:
    project.suite(suite_with("assert guest is None"))
    project.run(*ONE, "--keep", when)
    assert project.job()["kept"] is True
    assert project.leak_check() == PASSED


def test_after_a_teardown_that_failed_it_comes_last(project: Project) -> None:
    project.lab(f"stuck={{'{PV}': 'LV in use'}}, leaks={{'{PV}': '{LEAK}'}}")
    assert project.run(*ONE).ret == 4
    testids = [step["testid"] for step in project.job()["steps"]]
    assert testids[-2:] == ["teardown", LEAK_CHECK]
    assert project.job()["reason"] == "teardown: LV in use"
    assert project.leak_check()[0] is Status.BROKEN


def test_an_interrupt_is_no_time_for_it(project: Project) -> None:
    project.suite(suite_with("raise KeyboardInterrupt"))
    assert project.run().ret == 130
    assert project.leak_check()[0] is Status.ABORTED
    assert project.results["leak_check"]["status"] == "pass", "the host is looked at once more"


def test_one_that_was_begun_before_an_interrupt_is_told(project: Project) -> None:
    project.lab(f"leaks={{'{PV}': '{LEAK}'}}, late_checks={{'{PV}': '{PVH}'}}")
    project.suite(suite_with("assert '-pv-' in guest.step.job or _stop()") + STOP)
    assert project.run().ret == 130
    assert project.leak_check(PV)[0] is Status.BROKEN
    assert project.leak_check(PVH)[0] is Status.ABORTED


STOP = """
def _stop():
    raise KeyboardInterrupt
"""


class TestDyingWorker:
    """What it had still to tell is not passed over in silence."""

    FLIGHT = """
    flight: smoke
    mirror: auto
    matrix: {dist: [bookworm, trixie], arch: [amd64], virt: [pv], boot: [direct]}
    """
    DEATH = """
    import os
    def test_guest_boot(guest):
        if "trixie" in guest.step.job:
            os._exit(3)
    """

    def test_of_the_job_that_it_was_at_there_is_none(self, project: Project) -> None:
        project.suite(self.DEATH)
        project.write("flights/smoke.yaml", self.FLIGHT)
        assert project.run("-n", "2").ret == 4
        trixie = PV.replace("bookworm", "trixie")
        assert project.leak_check(trixie) == (
            Status.BLOCKED,
            "guest-boot did not pass (broken)",
        )
        assert project.leak_check(PV) == PASSED

    def test_of_the_job_before_nobody_knows(self, project: Project) -> None:
        """One worker for both jobs: it dies in the second, with the check of the first to tell."""
        trixie = PV.replace("bookworm", "trixie")
        project.lab(f"late_checks={{'{PV}': '{trixie}'}}")
        project.suite(self.DEATH)
        project.write("flights/smoke.yaml", self.FLIGHT)
        assert project.run("-n", "1").ret == 4
        assert project.steps() == {"guest-boot": Status.PASS}
        assert project.leak_check() == (
            Status.BROKEN,
            "not told: the process that looked for leaks is gone",
        )
