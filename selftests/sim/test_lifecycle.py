"""The suite ``lifecycle`` on a simulated host: all of it, and its guest built to fail."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from sim.project import ROOT, SimProject, culprit

PV, PVH, HVM = (
    f"lifecycle-bookworm-amd64-{way}" for way in ("pv-direct", "pvh-direct", "hvm-bios")
)
STEPS = [
    "guest-create",
    "guest-boot",
    "guest-console",
    "guest-ssh",
    "guest-data",
    "guest-saverestore",
    "guest-localmigrate",
    "guest-saverestore.2",
    "guest-localmigrate.2",
    "guest-localmigrate-x10",
    "guest-stop",
    "guest-start.2",
    "guest-stop-start-x10",
    "guest-reboot",
    "guest-reboot.xl",
    "guest-pause",
    "guest-rename",
    "guest-vcpus",
    "guest-memory",
    "guest-block",
    "guest-network",
    "guest-console.reattach",
    "guest-on-crash.preserve",
    "guest-on-crash.destroy",
    "guest-on-reboot.destroy",
    "guest-destroy",
    "guest-gone",
    "leak-check/check",
]
MIGRATIONS = {"guest-localmigrate", "guest-localmigrate.2", "guest-localmigrate-x10"}


@pytest.fixture
def life(project: SimProject) -> SimProject:
    shutil.copy(ROOT / "flights" / "lifecycle.yaml", project.path / "flights")
    return project


def steps_of(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["testid"]: step for step in job["steps"]}


def test_a_whole_life_passes_and_leaves_nothing(life: SimProject) -> None:
    before = life.state
    result = life.run("--only", PVH, flight="lifecycle")
    assert int(result.ret) == 0, culprit(life.job(PVH))
    job = life.job(PVH)
    assert [step["testid"] for step in job["steps"]] == STEPS
    assert {step["status"] for step in job["steps"]} == {"pass"}, culprit(job)
    assert not life.state.more_than(before)
    assert life.results["problems"] == []
    steps = steps_of(job)
    moved = [phase["name"] for phase in steps["guest-saverestore"]["phases"]]
    assert moved == ["before", "save", "restore", "after", "disk"]
    assert steps["guest-localmigrate-x10"]["facts"]["rounds"] == "10 of 10"
    rounds = [one["name"] for one in steps["guest-localmigrate-x10"]["phases"]]
    assert [name for name in rounds if "round" in name] == [f"round {n}" for n in range(1, 11)]
    # A domain each: 5 of moves, 10 of migrations, and so on.
    assert len(job["runvars"]["former_domids"].split()) >= 30
    console = (life.directory / "jobs" / PVH / "console.log").read_bytes()
    assert console.count(b"Linux version") == 17


def test_what_cannot_be_done_is_skipped_with_its_reason(life: SimProject) -> None:
    result = life.run("--only", f"{PV},{HVM}", "--rounds", "2", flight="lifecycle")
    assert int(result.ret) == 0, culprit(life.job(PV))
    pv, hvm = steps_of(life.job(PV)), steps_of(life.job(HVM))
    assert {testid for testid, step in pv.items() if step["status"] == "skip"} == MIGRATIONS
    assert "no 'shadow' among virt_caps" in pv["guest-localmigrate"]["reason"]
    skipped = {testid for testid, step in hvm.items() if step["status"] == "skip"}
    assert skipped == {"guest-vcpus", "guest-on-crash.preserve", "guest-on-crash.destroy"}
    assert pv["guest-stop-start-x10"]["facts"]["rounds"] == "2 of 2"


@pytest.mark.parametrize(
    "testid",
    ["guest-saverestore.2", "guest-start.2", "guest-memory", "guest-on-crash.destroy"],
)
def test_any_step_can_be_run_by_itself(life: SimProject, testid: str) -> None:
    words = f"guest-create or guest-boot or {testid}"
    result = life.run("--only", PVH, "-k", words, flight="lifecycle")
    assert int(result.ret) == 0, culprit(life.job(PVH))
    assert testid in steps_of(life.job(PVH))


def test_a_guest_that_is_deaf_cannot_be_saved(project: SimProject) -> None:
    shutil.copy(ROOT / "flights" / "must-fail.yaml", project.path / "flights")
    before = project.state
    assert int(project.run("--only", "lifecycle-*-deaf", flight="must-fail").ret) == 5
    (job,) = [job for job in project.results["jobs"] if job["status"] != "skip"]
    bad = culprit(job)
    assert bad
    assert (bad["testid"], bad["phase"], bad["failure_class"]) == (
        "guest-saverestore",
        "save",
        "xl-refused",
    )
    assert "guest didn't acknowledge suspend" in bad["evidence"]
    assert not project.state.more_than(before)
