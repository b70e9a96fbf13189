"""From what happens in a step to its status, the job's, the flight's and the exit code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.flight.build import build_plan
from harness.flight.plan import to_json
from harness.status import Status
from plugin.project import PV, PVH, Project

ONE = ("--only", "*-pv-*")

LAB = ("raise LabError", "raise DeadlineExceeded")
EVERY_KIND = [
    ("assert 1 == 2, 'sums differ'", Status.FAIL, "sums differ", 5),
    (
        "raise GuestFailure('it died', phase='kernel', failure_class='kernel-panic', "
        "evidence='Oops')",
        Status.FAIL,
        "it died",
        5,
    ),
    ("raise LabError('the pool is full')", Status.BROKEN, "the pool is full", 4),
    ("raise RuntimeError('oh')", Status.BROKEN, "RuntimeError: oh", 4),
    ("raise DeadlineExceeded('slow')", Status.BROKEN, "slow", 4),
    ("raise Starved('no host')", Status.STARVED, "no host", 6),
    ("pytest.fail('not so')", Status.FAIL, "not so", 5),
    ("pytest.skip('no IPv6 here')", Status.SKIP, "no IPv6 here", 0),
    (
        "raise ExceptionGroup('two', [AssertionError('a'), LabError('b')])",
        Status.BROKEN,
        "a; b",
        4,
    ),
]


def suite_with(body: str) -> str:
    return f"""
import pytest
from harness.errors import DeadlineExceeded, GuestFailure, LabError, Starved

def test_guest_create(guest): guest.note("create")
def test_guest_boot(guest):
    {body}
def test_guest_gone(guest): guest.note("gone")
"""


def test_all_is_well(project: Project) -> None:
    result = project.run()
    assert result.ret == 0
    assert set(project.steps(PV).values()) == set(project.steps(PVH).values()) == {Status.PASS}
    found = project.results
    assert found["status"] == "pass"
    assert found["problems"] == []
    assert found["ended"]
    job = project.job()
    assert job["waits"] == {"guest": 1.0}
    assert job["runvars"]["domain"] == f"fake-{PV}"
    assert job["runvars"]["memory"] == "512M"
    assert project.step("guest-boot")["facts"] == {"noted": "boot"}


def test_each_guest_goes_after_its_last_step_and_before_the_next_job(project: Project) -> None:
    project.run()
    jobs = (PV, PVH)
    expected = [
        line
        for job in jobs
        for line in (
            f"make {job}",
            *(f"note {job} {step}" for step in ("create", "boot", "gone")),
            f"remove {job}",
        )
    ]
    assert project.did == ["prepare", *expected, "sweep", "close"]


@pytest.mark.parametrize(("body", "status", "reason", "code"), EVERY_KIND)
def test_a_step_that_ends_in(
    project: Project, body: str, status: Status, reason: str, code: int
) -> None:
    project.suite(suite_with(body))
    result = project.run(*ONE)
    assert result.ret == code
    step = project.step("guest-boot")
    assert Status(step["status"]) is status
    assert step["reason"].startswith(reason)
    after = Status.PASS if status is Status.SKIP else Status.BLOCKED
    assert project.steps()["guest-gone"] is after
    # What the lab could not do, while the job had the host, is looked into before the next job.
    suspect = [f"suspect {PV} {reason}"] if body.startswith(LAB) else []
    assert project.did[-3 - len(suspect) :] == [f"remove {PV}", *suspect, "sweep", "close"]


def test_a_guests_failure_comes_with_its_class_and_evidence(project: Project) -> None:
    project.suite(suite_with(EVERY_KIND[1][0]))
    result = project.run(*ONE)
    step = project.step("guest-boot")
    assert (step["phase"], step["failure_class"], step["evidence"]) == (
        "kernel",
        "kernel-panic",
        "Oops",
    )
    result.stdout.fnmatch_lines(["fail: it died", "*Oops"])
    assert "steps.py" not in str(result.stdout), "a traceback through the harness says nothing"


def test_a_blocked_step_cites_the_culprit(project: Project) -> None:
    project.suite(suite_with("assert 0"))
    project.run(*ONE)
    assert project.step("guest-gone")["reason"] == "guest-boot did not pass (fail)"
    assert f"note {PV} gone" not in project.did


def test_a_failing_fixture_of_the_suite_is_the_steps_own(project: Project) -> None:
    project.suite(
        """
        import pytest
        from harness.errors import GuestFailure
        @pytest.fixture
        def prompt(guest): raise GuestFailure("no prompt", phase="login", failure_class="silent")
        def test_guest_boot(prompt): pass
        def test_guest_gone(guest): pass
        """
    )
    assert project.run(*ONE).ret == 5
    assert project.step("guest-boot")["failure_class"] == "silent"
    assert project.steps()["guest-gone"] is Status.BLOCKED


def test_a_job_that_fails_does_not_block_another(project: Project) -> None:
    project.suite(suite_with(f"assert '{PVH}' in guest.step.job"))
    assert project.run().ret == 5
    assert project.job(PV)["status"] == "fail"
    assert project.job(PVH)["status"] == "pass"


def test_all_steps_skipped_is_nothing_run(project: Project) -> None:
    project.suite("import pytest\n\ndef test_guest_boot(guest): pytest.skip('not today')\n")
    assert project.run(*ONE).ret == 3
    assert project.results["status"] == "skip"


def test_a_lab_that_cannot_be_prepared_breaks_the_first_step_of_every_job(
    project: Project,
) -> None:
    project.lab("broken='rack does not answer'")
    assert project.run().ret == 4
    for job in (PV, PVH):
        assert list(project.steps(job).values()) == [Status.BROKEN, Status.BLOCKED, Status.BLOCKED]
        assert project.step("guest-create", job)["reason"] == "rack does not answer"
    assert project.did == ["prepare", "sweep", "close"]


def test_where_no_job_may_begin_all_are_starved(project: Project) -> None:
    project.lab("starved='rack is drained by eve@ctl: new RAM'")
    assert project.run().ret == 6
    for job in (PV, PVH):
        assert list(project.steps(job).values()) == [Status.STARVED, Status.BLOCKED, Status.BLOCKED]
        assert project.step("guest-create", job)["reason"] == "rack is drained by eve@ctl: new RAM"
    assert project.results["status"] == "starved"
    assert project.did == ["prepare", "sweep", "close"]


def test_a_job_that_gets_no_slot_in_time_is_starved_and_others_are_not(project: Project) -> None:
    project.lab(f"busy={{'{PV}': 'no slot was free on rack within 1 s: slot 1: bob@ci2'}}")
    assert project.run().ret == 6
    assert project.job(PV)["status"] == "starved"
    assert "bob@ci2" in project.step("guest-create")["reason"]
    assert project.job(PVH)["status"] == "pass"
    assert project.did[-2:] == ["sweep", "close"]


def test_an_image_that_cannot_be_had_breaks_only_its_job(project: Project) -> None:
    project.lab(f"broken_images={{'{PV}': 'the mirror is down'}}")
    assert project.run().ret == 4
    assert project.step("guest-create")["reason"] == "the mirror is down"
    assert project.job(PVH)["status"] == "pass"
    assert project.job(PV)["waits"] == {}, "a job without a guest has facts, too"


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_job_that_the_host_cannot_run_is_skipped(
    project: Project, workers: tuple[str, ...]
) -> None:
    project.lab(f"skips={{'{PVH}': 'rack: no hardware support'}}")
    result = project.run(*workers)
    assert result.ret == 0
    assert set(project.steps(PVH).values()) == {Status.SKIP}
    assert project.step("guest-boot", PVH)["reason"] == "rack: no hardware support"
    assert project.job(PVH)["status"] == "skip"
    assert project.job(PVH)["reason"] == "rack: no hardware support"
    assert set(project.steps(PV).values()) == {Status.PASS}
    assert f"make {PV}" in project.did
    assert not [line for line in project.did if PVH in line], "nothing was done for it"
    result.stdout.fnmatch_lines(["*skip: 1 job: rack: no hardware support"])


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_job_that_can_run_nowhere_is_skipped(project: Project, workers: tuple[str, ...]) -> None:
    plan = build_plan(str(project.path / "flights" / "smoke.yaml"))
    jobs = [replace(job, skip="no kernel for it") if job.name == PVH else job for job in plan.jobs]
    file = project.write("plan.json", to_json(replace(plan, jobs=tuple(jobs))))
    result = project.call("suites", "--plan", str(file), "-p", "no:cacheprovider", *workers)
    assert result.ret == 0
    assert project.job(PVH)["status"] == "skip"
    assert project.step("guest-create", PVH)["reason"] == "no kernel for it"
    assert project.job(PV)["status"] == "pass"


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_flight_of_skipped_jobs_is_nothing_run(
    project: Project, workers: tuple[str, ...]
) -> None:
    project.lab(f"skips={{'{PV}': 'rack: no', '{PVH}': 'rack: no'}}")
    result = project.run(*workers)
    assert result.ret == 3
    assert project.results["status"] == "skip"
    assert project.did == ["prepare", "sweep", "close"]
    result.stdout.fnmatch_lines(["*skip: 2 jobs: rack: no"])


UNTIL_WANTED = """
from datetime import timedelta
from pathlib import Path
from harness.wait import Deadline, NotYet, wait_for

def wanted():
    if "want {other}" not in Path({log!r}).read_text():
        raise NotYet("nobody wants it")

def test_guest_create(guest): guest.note("create")
def test_guest_boot(guest):
    if guest.step.job == "{first}":
        soon = Deadline.after(timedelta(seconds=40))
        wait_for(wanted, what="the other job", deadline=soon)
def test_guest_gone(guest): guest.note("gone")
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_job_waits_for_its_image_while_others_run(
    project: Project, workers: tuple[str, ...]
) -> None:
    project.lab(f"late_images={{'{PVH}': '{PV}'}}")
    if workers:
        # However slow the other worker is to begin.
        project.suite(UNTIL_WANTED.format(log=str(project.path / "lab.log"), first=PV, other=PVH))
    assert project.run(*workers).ret == 0
    assert project.did.index(f"remove {PV}") < project.did.index(f"make {PVH}")
    phases = [phase["name"] for phase in project.step("guest-create", PVH)["phases"]]
    if workers:
        assert phases == ["image"]
        assert project.job(PVH)["waits"]["image"] > 0
    else:
        assert phases == [], "it was ready before it was asked for"
    assert "image" not in project.job(PV)["waits"]


def test_what_cannot_be_removed_is_a_line_of_its_own(project: Project) -> None:
    project.lab(f"stuck={{'{PV}': 'LV in use'}}")
    result = project.run()
    assert result.ret == 4
    assert list(project.steps().items())[-2:] == [
        ("guest-gone", Status.PASS),
        ("teardown", Status.BROKEN),
    ]
    assert project.step("teardown")["reason"] == "LV in use"
    assert project.job(PVH)["status"] == "pass", "the next job does not suffer from it"
    assert [p for p in project.results["problems"] if PV in p], "the sweep found it"
    assert project.did.index(f"stuck {PV}") < project.did.index(f"make {PVH}")


@pytest.mark.parametrize("when", ["always", "on-failure", "never"])
@pytest.mark.parametrize("well", [True, False])
def test_keep(project: Project, when: str, well: bool) -> None:
    project.suite(
        f"""
        import pytest
        def test_guest_boot(guest): assert {well}
        @pytest.mark.ends_guest
        def test_guest_gone(guest): pass
        """
    )
    result = project.run(*ONE, "--keep", when)
    kept = when == "always" or (when == "on-failure" and not well)
    assert (f"keep {PV}" in project.did) is kept
    assert (f"remove {PV}" in project.did) is not kept
    assert project.job()["kept"] is kept
    assert (f"kept: {PV} is fake-{PV}" in str(result.stdout)) is kept
    if well:
        ended = Status.SKIP if when == "always" else Status.PASS
        assert project.steps()["guest-gone"] is ended


def test_steps_that_were_deselected_are_no_steps_of_the_job(project: Project) -> None:
    assert project.run(*ONE, "-k", "create or gone").ret == 0
    assert list(project.steps()) == ["guest-create", "guest-gone"]


def test_nothing_selected_is_nothing_run(project: Project) -> None:
    assert project.run("-k", "nosuchstep").ret == 3
    assert project.did == []
    assert not (project.path / "reports").exists()


def test_stopping_at_the_first_failure_aborts_what_has_not_run(project: Project) -> None:
    project.suite(suite_with("assert 0"))
    assert project.run("-x").ret == 130
    assert project.job(PV)["status"] == "fail"
    assert project.job(PVH)["status"] == "aborted"
    assert f"remove {PV}" in project.did


def test_a_suite_that_cannot_be_imported(project: Project) -> None:
    project.suite("import nothing_of_that_name\n")
    result = project.run()
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*No module named 'nothing_of_that_name'*"])
    assert project.did == []


def test_a_bug_of_ours_is_told_as_one_and_nothing_is_left(project: Project) -> None:
    project.suite(SUITE_AND_BUG)
    project.write("bug.py", BUG)
    project.pytester.syspathinsert()
    assert project.run(*ONE, "-p", "bug").ret == 1
    assert "the harness broke down: RuntimeError: a bug" in project.results["problems"]
    assert project.did[-2:] == ["sweep", "close"]


SUITE_AND_BUG = "def test_guest_boot(guest): guest.note('boot')\n"
BUG = "def pytest_runtest_logfinish():\n    raise RuntimeError('a bug')\n"


def test_without_a_hook_the_lab_is_the_real_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which here can't even begin: there is no such key."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(project.path / "cache"))
    hosts = project.path / "flights" / "hosts.yaml"
    hosts.write_text(hosts.read_text().replace("~/.ssh/id_ed25519", "/nonexistent/key"))
    project.write("conftest.py", 'pytest_plugins = ["harness.plugin"]\n')
    assert project.run(*ONE).ret == 4
    assert project.steps()["guest-create"] is Status.BROKEN
    assert "/nonexistent/key" in project.step("guest-create")["reason"]
    assert list((project.path / "cache" / "xenflight" / "flights").iterdir()) == []
