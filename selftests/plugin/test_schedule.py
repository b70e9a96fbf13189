"""Jobs under xdist: one at a time for each worker, in order, and again when a worker dies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.flight.build import build_plan
from harness.flight.expected import Expectation, Last
from harness.flight.plan import to_json
from harness.status import Status
from plugin.project import PV, PVH, RETRY, Project

TRIXIE = PV.replace("bookworm", "trixie")
FOUR = """
flight: smoke
mirror: auto
matrix: {dist: [bookworm, trixie], arch: [amd64], virt: [pv, pvh], boot: [direct]}
"""
DIES = """
import os, signal
from pathlib import Path

def die(guest, step):
    guest.note(step)
    deaths = Path({deaths!r})
    said = deaths.read_text() if deaths.exists() else ""
    if step == {step!r} and "-pv-" in guest.step.job and len(said) < {times}:
        deaths.write_text(said + "x")
        os.kill(os.getpid(), signal.SIGKILL)

def test_guest_create(guest): die(guest, "create")
def test_guest_boot(guest): die(guest, "boot")
def test_guest_gone(guest): die(guest, "gone")
"""


def dies(project: Project, step: str, times: int = 1) -> None:
    deaths = str(project.path / "deaths")
    project.suite(DIES.format(deaths=deaths, step=step, times=times))


@pytest.mark.parametrize("step", ["create", "boot", "gone"])
def test_a_job_whose_worker_was_killed_begins_anew_elsewhere(project: Project, step: str) -> None:
    dies(project, step)
    result = project.run("-n", "2", RETRY)
    assert result.ret == 0, result.stdout.str()
    assert project.results["status"] == "pass"
    assert set(project.steps().values()) == {Status.PASS}
    (earlier,) = project.job()["attempts"]
    assert (earlier["status"], earlier["host"]) == ("broken", "rack")
    assert "crashed" in earlier["reason"]
    statuses = {one["testid"]: one["status"] for one in earlier["steps"]}
    assert statuses[f"guest-{step}"] == "broken"
    assert f"{PV} is tried once more" in result.stdout.str()
    assert project.job(PVH)["attempts"] == []
    assert project.did.count(f"make {PV}") == 2


def test_a_job_that_kills_workers_kills_two_and_no_more(project: Project) -> None:
    dies(project, "boot", times=9)
    assert project.run("-n", "2", RETRY).ret == 4
    job = project.job()
    assert (job["status"], [one["status"] for one in job["attempts"]]) == ("broken", ["broken"])
    assert project.step("guest-gone")["status"] == "blocked"
    assert project.job(PVH)["status"] == "pass"
    assert project.did.count(f"make {PV}") == 2


def test_one_that_is_broken_after_that_is_tried_again_all_the_same(project: Project) -> None:
    dies(project, "create")
    text = (project.path / "suites/boot/test_boot.py").read_text()
    seen = str(project.path / "seen")
    project.suite(
        text.replace(
            'def test_guest_boot(guest): die(guest, "boot")',
            "def test_guest_boot(guest):\n"
            "    from harness.errors import LabError\n"
            f"    seen = Path({seen!r})\n"
            "    if '-pv-' in guest.step.job and not seen.exists():\n"
            "        seen.touch()\n"
            "        raise LabError('the pool is full')\n",
        )
    )
    assert project.run("-n", "2", RETRY).ret == 0
    assert [one["status"] for one in project.job()["attempts"]] == ["broken", "broken"]
    assert project.job()["status"] == "pass"


def test_no_job_stands_behind_a_slow_one(project: Project) -> None:
    """All others run while one does: xdist's own schedulers give its worker a second job."""
    project.write("flights/smoke.yaml", FOUR)
    project.suite(
        f"""
        import time
        from pathlib import Path

        def test_guest_boot(guest):
            if guest.step.job != {PV!r}:
                return
            log, end = Path({str(project.path / "lab.log")!r}), time.monotonic() + 300
            while log.read_text().count("remove") < 3:
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.05)

        def test_guest_gone(guest): pass
        """
    )
    assert project.run("-n", "2").ret == 0


def expects(project: Project, **jobs: Expectation) -> str:
    """A plan in which that is expected of jobs, each called by its dist and mode."""
    project.write("flights/smoke.yaml", FOUR)
    plan = build_plan(str(project.path / "flights/smoke.yaml"))
    names = {f"{job.dist}_{job.virt}": job.name for job in plan.jobs}
    expected = {names[word]: one for word, one in jobs.items()}
    return str(project.write("plan.json", to_json(replace(plan, expected=expected))))


@pytest.mark.parametrize("workers", ["0", "1"])
def test_jobs_begin_in_the_order_of_the_schedule(project: Project, workers: str) -> None:
    plan = expects(
        project,
        bookworm_pv=Expectation(usual=10, long=10, last=Last.PASSED),
        bookworm_pvh=Expectation(usual=20, long=20, last=Last.PASSED),
        trixie_pv=Expectation(usual=0.5, long=0.5, last=Last.FAILED),
        trixie_pvh=Expectation(usual=0.4, long=0.4),
    )
    result = project.call("suites", "--plan", plan, "-p", "no:cacheprovider", "-n", workers)
    assert result.ret == 0
    made = [line.split()[1] for line in project.did if line.startswith("make ")]
    assert made == [TRIXIE, TRIXIE.replace("-pv-", "-pvh-"), PVH, PV]
    assert project.results["jobs"][0]["name"] == PV, "results are as planned"


def test_workers_are_no_more_than_jobs_that_run(project: Project) -> None:
    project.write("flights/smoke.yaml", FOUR)
    result = project.run("-n", "auto", "--only", "*-pv-*")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["created: 2/2 workers"])


def test_a_session_fixture_is_made_anew_for_each_job(project: Project) -> None:
    """Whichever worker runs a job: it can't depend on what ran there before."""
    project.suite(
        """
        import pytest

        @pytest.fixture(scope="session")
        def fresh():
            return []

        def test_guest_create(guest, fresh): fresh.append(guest.step.job)
        def test_guest_gone(guest, fresh): assert fresh == [guest.step.job]
        """
    )
    assert project.run("-n", "1").ret == 0
