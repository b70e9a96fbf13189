"""``--fail-fast``: what begins after a job failed, and what is told of what does not."""

from __future__ import annotations

import pytest

from harness.status import Status
from plugin.project import PV, PVH, RETRY, Project

SUITE = """
import os, pytest, time
from pathlib import Path
from harness.errors import LabError, Starved

def seen(name):
    for _ in range(300):
        if Path({here!r}, name).exists(): return
        time.sleep(0.05)
    raise LabError(name + " never came")

def test_guest_create(guest):
    guest.note("create")
    Path({here!r}, guest.step.job).touch()
def test_guest_boot(guest):
    {boot}
def test_guest_gone(guest): guest.note("gone")
"""
FLIGHT = """
flight: smoke
mirror: auto
defaults: {suite: boot, memory: 512M, vcpus: 1, disk: 2G}
matrix: {dist: [bookworm, trixie], arch: [amd64], virt: [pv, pvh], boot: [direct]}
"""
OTHERS = tuple(f"boot-trixie-amd64-{virt}-direct" for virt in ("pv", "pvh"))
FAILS = f"assert guest.step.job != {PV!r}, 'it looks wrong'"
WHY = f"not begun: guest-boot of {PV} failed, and --fail-fast was given"


def suite(project: Project, boot: str) -> None:
    project.write("flights/smoke.yaml", FLIGHT)
    project.suite(SUITE.format(here=str(project.path), boot=boot))


def test_no_job_begins_after_one_that_failed(project: Project) -> None:
    suite(project, FAILS)
    result = project.run("--fail-fast")
    assert result.ret == 5
    assert [line for line in project.did if line.startswith("make")] == [f"make {PV}"]
    assert project.job()["status"] == "fail"
    assert project.results["status"] == "fail"
    for job in (PVH, *OTHERS):
        found = project.job(job)
        assert found["status"] == "blocked"
        assert {step["status"] for step in found["steps"]} == {"blocked"}
        assert {step["reason"] for step in found["steps"]} == {WHY}
        assert found["host"] is None
    assert f"3 jobs {WHY}" in result.stdout.str()
    assert project.did[-2:] == ["sweep", "close"]


def test_without_it_all_of_them_begin(project: Project) -> None:
    suite(project, FAILS)
    assert project.run().ret == 5
    statuses = [project.job(job)["status"] for job in (PV, PVH, *OTHERS)]
    assert statuses == ["fail", "pass", "pass", "pass"]


@pytest.mark.parametrize(
    ("boot", "code"),
    [
        (f"if guest.step.job == {PV!r}: raise LabError('the pool is full')", 4),
        (f"if guest.step.job == {PV!r}: raise Starved('no host')", 6),
        (f"if guest.step.job == {PV!r}: pytest.skip('no IPv6 here')", 0),
    ],
)
def test_what_is_no_fault_of_a_guest_holds_up_nobody(
    project: Project, boot: str, code: int
) -> None:
    suite(project, boot)
    assert project.run("--fail-fast").ret == code
    assert [project.job(job)["status"] for job in (PVH, *OTHERS)] == ["pass"] * 3


def test_jobs_that_run_come_to_their_end(project: Project) -> None:
    """On two workers: the other job is in its middle when the first one fails."""
    suite(
        project,
        f"""
    if guest.step.job == {PV!r}:
        seen({PVH!r})
        assert False, 'it looks wrong'
    time.sleep(1)""",
    )
    assert project.run("--fail-fast", "-n", "2").ret == 5
    assert project.job()["status"] == "fail"
    assert set(project.steps(PVH).values()) == {Status.PASS}
    assert project.leak_check(PVH)[0] is Status.PASS
    for job in OTHERS:
        assert project.job(job)["status"] == "blocked"
        assert f"make {job}" not in project.did
    assert f"remove {PVH}" in project.did


def test_a_worker_that_dies_then_takes_its_job_along(project: Project) -> None:
    """To begin anew is to begin: that is not done after a failure either."""
    suite(
        project,
        f"""
    if guest.step.job == {PV!r}:
        seen({PVH!r})
        assert False, 'it looks wrong'
    time.sleep(2)
    os._exit(3)""",
    )
    assert project.run("--fail-fast", "-n", "2", RETRY).ret == 4
    assert project.job()["status"] == "fail"
    crashed = project.job(PVH)
    assert (crashed["status"], crashed["attempts"]) == ("broken", [])
    assert [project.job(job)["status"] for job in OTHERS] == ["blocked"] * 2


def test_a_plan_says_so(project: Project) -> None:
    from harness.flight.build import build_plan
    from harness.flight.plan import from_json, to_json

    plan = build_plan(str(project.path / "flights/smoke.yaml"), fail_fast=True)
    assert from_json(to_json(plan)).fail_fast
    old = to_json(plan).replace('  "fail_fast": true,\n', "")
    assert not from_json(old).fail_fast
