"""Flights that are interrupted, and processes that die."""

from __future__ import annotations

import json

import pytest

from harness.status import Status
from plugin.project import PV, PVH, Project
from plugin.test_statuses import ONE, suite_with

IN_PREPARE = """
from pathlib import Path
import os, signal
from harness.job.fake import FakeKeeper, FakeLab

pytest_plugins = ["harness.plugin"]

class Keeper(FakeKeeper):
    def {method}(self, **how):
        self._lab.say("{method} begins")
        os.kill(os.getpid(), signal.SIGINT)
        super().{method}(**how)

class Lab(FakeLab):
    def flight(self, *arguments):
        return Keeper(self, *arguments)

def pytest_xenflight_lab():
    return Lab(log=Path({log!r}))
"""
KILL = "import os, signal; os.kill(os.getpid(), signal.{name}); guest.note('not reached')"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_in_a_step(project: Project, name: str) -> None:
    project.suite(suite_with(KILL.format(name=name)))
    result = project.run_apart()
    assert result.ret == 130
    assert project.results["status"] == "aborted"
    steps = project.steps()
    assert steps["guest-create"] is Status.PASS
    assert steps["guest-boot"] is steps["guest-gone"] is Status.ABORTED
    assert project.job(PVH)["status"] == "aborted"
    assert project.did[-3:] == [f"remove {PV}", "sweep", "close"]
    assert project.job()["runvars"]["domain"] == f"fake-{PV}"
    assert (project.flight_directory / "junit.xml").exists()


def test_sigusr1_tells_how_far_it_is_and_ends_nothing(project: Project) -> None:
    project.suite(suite_with(KILL.format(name="SIGUSR1")))
    result = project.run_apart()
    assert result.ret == 0
    assert project.results["status"] == "pass"
    result.stdout.fnmatch_lines(["xenflight: *: running for *, 1 of * steps, 0 of 2 jobs over"])
    result.stdout.fnmatch_lines([f"xenflight: *{PV}: guest-boot for *"])


def test_a_signal_handler_does_not_outlive_its_session(project: Project) -> None:
    import signal

    numbers = (signal.SIGTERM, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    project.run(*ONE)
    assert [signal.getsignal(number) for number in numbers] == before


def test_what_was_to_be_kept_is_kept_after_an_interrupt(project: Project) -> None:
    project.suite(suite_with("raise KeyboardInterrupt"))
    assert project.run(*ONE, "--keep", "on-failure").ret == 130
    assert f"keep {PV}" in project.did
    assert project.job()["kept"] is True


def test_an_interrupt_while_the_lab_is_made_ready(project: Project) -> None:
    log = str(project.path / "lab.log")
    project.write("conftest.py", IN_PREPARE.format(method="prepare", log=log))
    assert project.run_apart().ret == 130
    assert project.did == ["prepare begins", "sweep", "close"]
    assert project.results["status"] == "aborted"
    assert set(project.steps().values()) == {Status.ABORTED}


def test_an_interrupt_while_cleaning_up_does_not_stop_it(project: Project) -> None:
    """The first Ctrl-C of a flight that was over: sweep again. The second ends that."""
    log = str(project.path / "lab.log")
    project.write("conftest.py", IN_PREPARE.format(method="sweep", log=log))
    assert project.run_apart(*ONE).ret == 130
    assert project.did[-3:] == ["sweep begins", "sweep begins", "close"]
    assert "not cleaned up" in project.results["problems"][0]


def test_a_second_interrupt_ends_cleaning_up(project: Project) -> None:
    log = str(project.path / "lab.log")
    project.write("conftest.py", IN_PREPARE.format(method="sweep", log=log))
    project.suite(suite_with("raise KeyboardInterrupt"))
    assert project.run_apart(*ONE).ret == 130
    assert project.did[-2:] == ["sweep begins", "close"]


def test_pytest_exit_in_a_step_aborts(project: Project) -> None:
    project.suite(suite_with("pytest.exit('enough', returncode=7)"))
    assert project.run(*ONE).ret == 130
    assert project.did[-3:] == [f"remove {PV}", "sweep", "close"]


class TestWorkers:
    """xdist's workers."""

    def test_the_same_as_without(self, project: Project) -> None:
        assert project.run("-n", "2").ret == 0
        assert project.did[0] == "prepare"
        assert project.did[-2:] == ["sweep", "close"]
        for job in (PV, PVH):
            mine = [
                line.replace(job, "JOB")
                for line in project.did
                if line.endswith(job) or f"{job} " in line
            ]
            notes = [f"note JOB {step}" for step in ("create", "boot", "gone")]
            assert mine == ["make JOB", *notes, "remove JOB"]
            assert project.job(job)["waits"] == {"guest": 1.0}

    def test_auto_means_as_many_as_jobs_or_slots(self, project: Project) -> None:
        result = project.run("-n", "auto")
        assert result.ret == 0
        result.stdout.fnmatch_lines(["created: 2/2 workers"])

    @pytest.mark.parametrize("dist", ["load", "loadgroup", "each"])
    def test_whatever_dist_says_a_job_stays_together(self, project: Project, dist: str) -> None:
        assert project.run("-n", "2", "--dist", dist).ret == 0
        assert project.did.count(f"make {PV}") == project.did.count(f"make {PVH}") == 1

    @pytest.mark.parametrize("step", ["create", "boot"])
    def test_one_that_dies(self, project: Project, step: str) -> None:
        project.suite(
            f"""
            import os
            def die(guest, step):
                guest.note(step)
                if step == {step!r} and "-pv-" in guest.step.job:
                    os._exit(3)
            def test_guest_create(guest): die(guest, "create")
            def test_guest_boot(guest): die(guest, "boot")
            def test_guest_gone(guest): die(guest, "gone")
            """
        )
        assert project.run("-n", "2").ret == 4
        assert project.job(PVH)["status"] == "pass"
        steps = project.steps()
        assert steps[f"guest-{step}"] is Status.BROKEN
        assert steps["guest-gone"] is Status.BLOCKED
        reason = project.step("guest-gone")["reason"]
        assert reason == f"guest-{step} did not pass (broken)"
        assert "crashed" in project.step(f"guest-{step}")["reason"]
        assert project.did.count(f"note {PV} {step}") == 1, "it must not be run again"
        assert project.results["ended"]
        assert f"left behind by this flight, and removed: {PV}" in project.results["problems"]
        assert (project.flight_directory / "junit.xml").exists()
        files = (project.flight_directory / "allure").glob("*-result.json")
        found = {one["name"]: one for one in (json.loads(file.read_text()) for file in files)}
        assert found[f"guest-{step}[{PV}]"]["status"] == "broken"
        assert "crashed" in found[f"guest-{step}[{PV}]"]["statusDetails"]["message"]
        assert found[f"guest-gone[{PV}]"]["status"] == "skipped"
        assert found[f"guest-{step}[{PVH}]"]["status"] == "passed"

    def test_one_that_dies_leaves_its_other_jobs_to_the_others(self, project: Project) -> None:
        project.write(
            "flights/smoke.yaml",
            """
            flight: smoke
            mirror: auto
            matrix: {dist: [bookworm, trixie], arch: [amd64], virt: [pv, pvh], boot: [direct]}
            """,
        )
        project.suite(
            f"""
            import os
            def test_guest_boot(guest):
                if guest.step.job == {PV!r}:
                    os._exit(3)
            """
        )
        assert project.run("-n", "2").ret == 4
        statuses = [job["status"] for job in project.results["jobs"]]
        assert statuses == ["broken", "pass", "pass", "pass"]

    def test_statuses_and_teardown_come_through(self, project: Project) -> None:
        project.lab(f"stuck={{'{PVH}': 'LV in use'}}")
        project.suite(suite_with("assert '-pvh-' in guest.step.job, 'not PVH'"))
        assert project.run("-n", "2").ret == 4
        assert project.step("guest-boot")["reason"].startswith("not PVH")
        assert project.steps()["guest-gone"] is Status.BLOCKED
        assert project.step("teardown", PVH)["reason"] == "LV in use"

    def test_a_lab_that_cannot_be_prepared(self, project: Project) -> None:
        project.lab("broken='rack does not answer'")
        assert project.run("-n", "2").ret == 4
        assert project.step("guest-create", PVH)["reason"] == "rack does not answer"

    def test_a_suite_that_cannot_be_imported(self, project: Project) -> None:
        project.suite("import nothing_of_that_name\n")
        assert project.run("-n", "2").ret == 2
        assert project.did == []

    def test_a_signal_while_they_work(self, project: Project) -> None:
        project.suite(
            """
            import os, signal
            from harness.wait import SYSTEM_CLOCK
            def test_guest_boot(guest):
                guest.note("boot")
                if "-pv-" in guest.step.job:
                    os.kill(os.getppid(), signal.SIGTERM)
                SYSTEM_CLOCK.sleep(30)
            """
        )
        assert project.run_apart("-n", "2").ret == 130
        assert project.results["status"] == "aborted"
        assert project.did[-1] == "close"
        assert project.results["problems"] == []
