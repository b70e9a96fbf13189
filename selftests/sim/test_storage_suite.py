"""The suite ``storage`` on a simulated host: all of it, what it skips and must not pass."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from harness.sim.devices import block_detach
from harness.sim.host import SimHost
from harness.sim.request import Answer, Request
from sim.project import ROOT, SimProject, culprit

PV, PVH, HVM = (f"storage-bookworm-amd64-{way}" for way in ("pv-direct", "pvh-direct", "hvm-bios"))
STEPS = [
    *("guest-create", "guest-boot", "guest-console", "guest-ssh"),
    *("disk-lv", "disk-snapshot", "disk-raw", "disk-qcow2", "disk-grow", "disk-discard"),
    *("disk-full.inside", "disk-full.outside", "guest-snapshot", "guest-gone", "leak-check/check"),
]
ONE_BOOT = ("-k", "guest-create or guest-boot or disk")
QEMU = {"disk-qcow2", "disk-full.outside"}


@pytest.fixture
def storage(project: SimProject) -> SimProject:
    for name in ("storage", "must-fail"):
        shutil.copy(ROOT / "flights" / f"{name}.yaml", project.path / "flights")
    return project


def steps_of(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["testid"]: step for step in job["steps"]}


def skipped(job: dict[str, Any]) -> dict[str, str]:
    return {step["testid"]: step["reason"] for step in job["steps"] if step["status"] == "skip"}


@pytest.mark.parametrize(("name", "boots"), [(PV, 4), (HVM, 3)])
def test_all_of_it_passes_and_leaves_nothing(storage: SimProject, name: str, boots: int) -> None:
    """A PV guest has one boot more: for a QEMU, which an HVM guest has anyway."""
    before = storage.state
    result = storage.run("--only", name, flight="storage")
    job = storage.job(name)
    assert int(result.ret) == 0, culprit(job)
    assert [step["testid"] for step in job["steps"]] == STEPS
    assert {step["status"] for step in job["steps"]} == {"pass"}, culprit(job)
    assert not storage.state.more_than(before)
    assert not storage.host.images
    assert storage.results["problems"] == []
    steps = steps_of(job)
    assert [one["name"] for one in steps["disk-raw"]["phases"]] == [
        *("make", "attach", "write", "hash", "detach", "read", "attach", "verify", "detach"),
        "drop",
    ]
    assert steps["disk-lv"]["facts"]["fio_write_write"] == "18040 KiB/s"
    assert "Input/output error" in steps["disk-full.outside"]["facts"]["refused"]
    assert job["runvars"]["discard"] == "allocated: 0 %, 50 % in use, 0 % trimmed"
    console = (storage.directory / "jobs" / name / "console.log").read_bytes()
    assert console.count(b"Linux version") == boots


def test_a_dom0_without_qemu(storage: SimProject) -> None:
    storage.host.files.remove("/usr/libexec/xen-qemu-system-i386")
    assert int(storage.run("--only", PV, *ONE_BOOT, flight="storage").ret) == 0
    found = skipped(storage.job(PV))
    assert set(found) == QEMU
    assert "has no QEMU to serve qcow2 disks" in found["disk-qcow2"]


def test_a_group_that_is_all_thin(storage: SimProject) -> None:
    storage.host.group.add("others", storage.host.group.free).thin = False
    assert int(storage.run("--only", PV, *ONE_BOOT, flight="storage").ret) == 0
    found = skipped(storage.job(PV))
    assert set(found) == {"disk-lv"}
    assert "is in its thin pool and other volumes" in found["disk-lv"]


@pytest.mark.parametrize("testid", ["disk-qcow2", "disk-full.outside", "guest-snapshot"])
def test_any_step_can_be_run_by_itself(storage: SimProject, testid: str) -> None:
    words = f"guest-create or guest-boot or {testid}"
    assert int(storage.run("--only", PV, "-k", words, flight="storage").ret) == 0
    assert testid in steps_of(storage.job(PV))


def test_a_guest_that_forgets_has_no_data_on_its_disk(storage: SimProject) -> None:
    before = storage.state
    assert int(storage.run("--only", "*-forgetful", flight="must-fail").ret) == 5
    (job,) = [job for job in storage.results["jobs"] if job["status"] != "skip"]
    bad = culprit(job)
    assert bad
    found = (bad["testid"], bad["phase"], bad["failure_class"])
    assert found == ("guest-snapshot", "look", "corrupt-data")
    assert "and missing is read" in bad["reason"]
    assert not storage.state.more_than(before)


def spoil(host: SimHost, request: Request) -> Answer:
    """A disk changes as soon as the guest has let go of it."""
    domain = host.find(request.words[0])
    assert domain
    volume = host.behind(domain.config.disks[-1].target)
    assert volume
    volume.contents.files["@0"] = b"something else"
    return block_detach(host, request)


@pytest.mark.parametrize("testid", ["disk-lv", "disk-snapshot", "disk-raw", "disk-qcow2"])
def test_what_changes_behind_the_guest_is_noticed(storage: SimProject, testid: str) -> None:
    before = storage.state
    storage.host.programs["xl block-detach"] = spoil
    words = f"guest-create or guest-boot or {testid}"
    assert int(storage.run("--only", PV, "-k", words, flight="storage").ret) == 5
    bad = culprit(storage.job(PV))
    assert bad
    assert (bad["testid"], bad["failure_class"]) == (testid, "corrupt-data")
    assert not storage.state.more_than(before), "its disk goes with the job"
    assert not storage.host.images
