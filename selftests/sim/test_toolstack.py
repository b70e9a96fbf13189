"""The suite ``toolstack`` on a simulated host: by xl and by virsh, and a lie about which it was."""

from __future__ import annotations

import shutil

import pytest

from harness.sim.request import Answer
from sim.project import ROOT, SimProject, culprit

XL, LIBVIRT = "toolstack-bookworm-amd64-pvh-direct", "toolstack-bookworm-amd64-pvh-direct-libvirt"


@pytest.fixture
def both(project: SimProject) -> SimProject:
    shutil.copy(ROOT / "flights" / "toolstack.yaml", project.path / "flights")
    return project


def test_both_lead_the_same_life_and_leave_nothing(both: SimProject) -> None:
    before = both.state
    result = both.run("--only", f"{XL},{LIBVIRT}", flight="toolstack")
    assert int(result.ret) == 0, culprit(both.job(XL)) or culprit(both.job(LIBVIRT))
    steps = {}
    for name, made in ((XL, "xl"), (LIBVIRT, "libvirt")):
        job = both.job(name)
        assert {step["status"] for step in job["steps"]} == {"pass"}, culprit(job)
        steps[name] = [step["testid"] for step in job["steps"]]
        (told,) = [step["facts"] for step in job["steps"] if step["testid"] == "guest-toolstack"]
        assert told["toolstack"] == made
        assert told["libvirt"] == ("knows it" if made == "libvirt" else "does not know it")
    assert steps[XL] == steps[LIBVIRT]
    assert not both.state.more_than(before)


def test_it_is_seen_who_made_it(both: SimProject) -> None:
    """A domain that libvirt does not know was not made by it, with all else as it should be."""
    both.host.programs["virsh list"] = lambda _host, _request: Answer(stdout="Domain-0\n")
    assert int(both.run("--only", LIBVIRT, flight="toolstack").ret) == 5
    bad = culprit(both.job(LIBVIRT))
    assert bad
    assert (bad["testid"], bad["failure_class"]) == ("guest-toolstack", "other-toolstack")


def test_a_guest_that_is_deaf_cannot_be_saved_by_libvirt(project: SimProject) -> None:
    shutil.copy(ROOT / "flights" / "must-fail.yaml", project.path / "flights")
    before = project.state
    assert int(project.run("--only", "toolstack-*-deaf", flight="must-fail").ret) == 5
    (job,) = [job for job in project.results["jobs"] if job["status"] != "skip"]
    bad = culprit(job)
    assert bad
    found = (bad["testid"], bad["phase"], bad["failure_class"])
    assert found == ("guest-saverestore", "save", "xl-refused")
    assert not project.state.more_than(before)


def test_where_there_is_no_libvirt_its_jobs_are_skipped(both: SimProject) -> None:
    both.host.files.remove("/usr/bin/virsh")
    assert int(both.run("--only", f"{XL},{LIBVIRT}", flight="toolstack").ret) == 0
    assert both.job(XL)["status"] == "pass"
    job = both.job(LIBVIRT)
    assert (job["status"], "no libvirt" in job["reason"]) == ("skip", True)
