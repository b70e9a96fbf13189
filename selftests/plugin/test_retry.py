"""Jobs that the lab broke are tried once more; nothing else is, and it can be seen."""

from __future__ import annotations

import pytest

from harness.status import Status
from harness.steps import LEAK_CHECK
from plugin.project import PV, PVH, RETRY, Project

ONE = ("--only", "*-pv-*", RETRY)
SUITE = """
from pathlib import Path
import pytest
from harness.errors import GuestFailure, LabError, Starved

def happen(guest, text):
    seen = Path({seen!r}) / guest.step.job
    times = len(seen.read_text()) if seen.exists() else 0
    seen.write_text("x" * (times + 1))
    {happens}

def test_guest_create(guest): guest.note("create")
def test_guest_boot(guest): happen(guest, "boot")
def test_guest_gone(guest): guest.note("gone")
"""
BROKEN_ONCE = "if times == 0: raise LabError('the pool is full')"


def suite(project: Project, happens: str) -> None:
    seen = project.path / "seen"
    seen.mkdir()
    project.suite(SUITE.format(seen=str(seen), happens=happens))


def test_what_was_broken_once_passes_and_both_are_kept(project: Project) -> None:
    suite(project, BROKEN_ONCE)
    result = project.run(*ONE)
    assert result.ret == 0
    assert f"{PV} is tried once more; broken: the pool is full" in result.stdout.str()
    job = project.job()
    assert (job["status"], project.results["status"]) == ("pass", "pass")
    assert set(project.steps().values()) == {Status.PASS}
    (earlier,) = job["attempts"]
    assert (earlier["status"], earlier["reason"]) == ("broken", "guest-boot: the pool is full")
    steps = ["pass", "broken", "blocked", "pass"]
    assert [step["status"] for step in earlier["steps"]] == steps, "its leak check, too"
    assert earlier["host"] == "rack"
    assert earlier["started"] < job["started"]
    assert earlier["console_log"] == f"jobs/{PV}/attempt-1/console.log"
    assert project.did == [
        "prepare",
        *(f"make {PV}", f"note {PV} create", f"capture {PV} guest-boot broken", f"remove {PV}"),
        f"suspect {PV} the pool is full",
        *(f"make {PV}", f"note {PV} create", f"note {PV} gone", f"remove {PV}"),
        *("sweep", "close"),
    ]


def test_what_the_first_attempt_leaked_is_told_with_it(project: Project) -> None:
    suite(project, BROKEN_ONCE)
    project.lab(f"leaks={{'{PV}': 'LV xf-1'}}")
    assert project.run(*ONE).ret == 4
    job = project.job()
    (earlier,) = job["attempts"]
    checks = [attempt["steps"][-1] for attempt in (earlier, job)]
    assert [check["testid"] for check in checks] == [LEAK_CHECK, LEAK_CHECK]
    assert [check["status"] for check in checks] == ["broken", "broken"]


def test_so_it_is_with_workers_and_other_jobs_are_none_the_worse(project: Project) -> None:
    suite(project, BROKEN_ONCE + "\n    if times and guest.step.job.endswith('pvh'): pass")
    result = project.run_apart("-n", "2", RETRY)
    assert result.ret == 4, "two of two is more than a tenth: only one has a second try"
    jobs = {name: project.job(name) for name in (PV, PVH)}
    assert sorted(job["status"] for job in jobs.values()) == ["broken", "pass"]
    for job in jobs.values():
        assert len(job["attempts"]) == (job["status"] == "pass")
    assert project.results["problems"] == []


@pytest.mark.parametrize(
    ("happens", "status"),
    [
        ("raise GuestFailure('it died')", "fail"),
        ("assert times, 'sums differ'", "fail"),
        ("raise Starved('no host')", "starved"),
        ("pytest.skip('no IPv6 here')", "pass"),
    ],
)
def test_what_is_not_broken_is_not_tried_again(project: Project, happens: str, status: str) -> None:
    suite(project, happens)
    project.run(*ONE)
    assert (project.job()["status"], project.job()["attempts"]) == (status, [])


def test_it_is_tried_again_only_once(project: Project) -> None:
    suite(project, "raise LabError('the pool is full')")
    assert project.run(*ONE).ret == 4
    assert project.job()["status"] == "broken"
    assert len(project.job()["attempts"]) == 1
    assert project.did.count(f"make {PV}") == 2


def test_one_that_failed_the_second_time_has_failed(project: Project) -> None:
    suite(project, BROKEN_ONCE + "\n    raise GuestFailure('it died')")
    assert project.run(*ONE).ret == 5
    assert project.job()["reason"] == "guest-boot: it died"


def test_a_guest_that_would_not_go_is_not_booted_again(project: Project) -> None:
    project.lab(f"stuck={{{PV!r}: 'it is in use'}}")
    assert project.run(*ONE).ret == 4
    assert project.job()["attempts"] == []
    assert project.did.count(f"make {PV}") == 1


def test_a_guest_that_is_kept_is_not_tried_again(project: Project) -> None:
    suite(project, BROKEN_ONCE)
    project.run(*ONE, "--keep", "on-failure")
    assert project.job()["attempts"] == []


@pytest.mark.parametrize("words", [("--no-retry",), (RETRY, "--maxfail=1")])
def test_nothing_is_tried_again_by_who_does_not_want_it(
    project: Project, words: tuple[str, ...]
) -> None:
    suite(project, BROKEN_ONCE)
    project.run("--only", "*-pv-*", *words)
    assert (project.job()["status"], project.job()["attempts"]) == ("broken", [])


def test_an_interrupt_in_the_second_try_aborts_the_job_and_keeps_the_first(
    project: Project,
) -> None:
    suite(project, BROKEN_ONCE + "\n    raise KeyboardInterrupt")
    assert project.run(*ONE).ret == 130
    job = project.job()
    assert (job["status"], [one["status"] for one in job["attempts"]]) == ("aborted", ["broken"])
    assert project.did[-2:] == ["sweep", "close"]


def test_its_files_are_out_of_the_way_of_the_second_try(project: Project) -> None:
    writes = "Path('reports/runs/latest/jobs', guest.step.job).mkdir(parents=True, exist_ok=True); "
    writes += (
        "Path('reports/runs/latest/jobs', guest.step.job, 'console.log').write_text(str(times)); "
    )
    suite(project, writes + "\n    " + BROKEN_ONCE)
    project.run(*ONE)
    jobs = project.flight_directory / "jobs" / PV
    assert (jobs / "console.log").read_text() == "1"
    assert (jobs / "attempt-1" / "console.log").read_text() == "0"
