"""The suite ``passthrough`` on a simulated host: all of it, what it skips and must not pass."""

from __future__ import annotations

import shutil

import pytest

from harness.host.pci import PCIBACK
from harness.sim.host import SimHost
from harness.sim.request import Answer, Request
from sim.project import ROOT, SimProject, culprit

CARD = "0000:03:00.0"
MAC = "52:54:00:78:66:00"
PV, BOUNCE, HVM = (
    f"passthrough-bookworm-amd64-{way}" for way in ("pv-direct", "pv-direct-bounce", "hvm-bios")
)
STEPS = [
    *("host-iommu", "pci-assign", "guest-create", "guest-boot", "guest-console", "pci-card"),
    *("guest-ssh", "pci-dma", "pci-bounce", "guest-shutdown", "guest-gone", "leak-check/check"),
]


@pytest.fixture
def passthrough(project: SimProject) -> SimProject:
    for name in ("passthrough", "must-fail"):
        shutil.copy(ROOT / "flights" / f"{name}.yaml", project.path / "flights")
    project.hosts(settings=f'passthrough: ["{CARD}"]')
    project.host.pci.iommu = True
    return project


def test_all_of_it_passes_and_the_card_is_dom0s_again(passthrough: SimProject) -> None:
    before = passthrough.state
    result = passthrough.run("--only", BOUNCE, flight="passthrough")
    job = passthrough.job(BOUNCE)
    assert int(result.ret) == 0, culprit(job)
    assert [step["testid"] for step in job["steps"]] == STEPS
    assert {step["status"] for step in job["steps"]} == {"pass"}, culprit(job)
    assert not passthrough.state.more_than(before)
    assert passthrough.host.pci.drivers == {CARD: "e1000e"}
    runvars = job["runvars"]
    assert (runvars["pci_device"], runvars["mac"]) == (CARD, MAC)
    assert (runvars["iommu"], runvars["bounce_used"]) == ("Intel VT-d", "24")
    config = (passthrough.directory / "jobs" / BOUNCE / "xl.cfg").read_text()
    assert f'pci = [ "{CARD}" ]' in config
    assert "vif" not in config


def test_without_an_iommu_nothing_is_made(passthrough: SimProject) -> None:
    passthrough.host.pci.iommu = False
    passthrough.run(flight="passthrough")
    jobs = passthrough.results["jobs"]
    assert {job["status"] for job in jobs} == {"skip"}
    for job in jobs:
        assert "its Xen uses no IOMMU" in job["reason"]


def test_an_hvm_guest_needs_no_bounce_buffer(passthrough: SimProject) -> None:
    assert int(passthrough.run("--only", HVM, flight="passthrough").ret) == 0
    job = passthrough.job(HVM)
    skipped = {one["testid"]: one["reason"] for one in job["steps"] if one["status"] == "skip"}
    assert list(skipped) == ["pci-bounce"]
    assert "goes through the IOMMU" in skipped["pci-bounce"]
    assert job["runvars"]["iommu"] == "Intel VT-d"
    assert job["runvars"]["iommu_mode"] == "Relaxed"


def test_a_host_that_gives_nothing_away(passthrough: SimProject) -> None:
    passthrough.hosts()
    passthrough.run("--only", PV, flight="passthrough")
    job = passthrough.job(PV)
    assert job["status"] == "skip"
    assert "gives away none of its PCI devices" in job["reason"]


def test_a_guest_without_a_driver(passthrough: SimProject) -> None:
    before = passthrough.state
    assert int(passthrough.run("--only", "*-no-driver", flight="must-fail").ret) == 5
    (job,) = [job for job in passthrough.results["jobs"] if job["status"] != "skip"]
    bad = culprit(job)
    assert bad
    assert (bad["testid"], bad["failure_class"]) == ("pci-card", "no-driver")
    assert not passthrough.state.more_than(before)


def test_a_bounce_buffer_that_is_not_used(passthrough: SimProject) -> None:
    passthrough.host.pci.bounces = False
    assert int(passthrough.run("--only", BOUNCE, flight="passthrough").ret) == 5
    bad = culprit(passthrough.job(BOUNCE))
    assert bad
    assert (bad["testid"], bad["failure_class"]) == ("pci-bounce", "bounce-unused")


def test_one_that_was_made_when_the_card_came_is_told_by_the_log_alone(
    passthrough: SimProject,
) -> None:
    assert int(passthrough.run("--only", PV, flight="passthrough").ret) == 0
    assert passthrough.job(PV)["runvars"]["bounce_used"] == "not told"


def test_a_guest_without_a_bounce_buffer(passthrough: SimProject) -> None:
    flight = passthrough.path / "flights" / "passthrough.yaml"
    text = flight.read_text().replace("iommu=soft swiotlb=force", "swiotlb=noforce")
    flight.write_text(text)
    assert int(passthrough.run("--only", BOUNCE, flight="passthrough").ret) == 5
    bad = culprit(passthrough.job(BOUNCE))
    assert bad
    assert (bad["testid"], bad["failure_class"]) == ("pci-bounce", "no-bounce-buffer")


def test_a_card_that_does_not_come_back(passthrough: SimProject) -> None:
    def stays(host: SimHost, request: Request) -> Answer:
        host.pci.owners.pop(request.words[1], None)
        return Answer()

    passthrough.host.programs["return-device"] = stays
    assert int(passthrough.run("--only", PV, flight="passthrough").ret) != 0
    bad = culprit(passthrough.job(PV))
    assert bad
    assert (bad["testid"], bad["failure_class"]) == ("guest-gone", "not-returned")
    assert passthrough.host.pci.drivers == {CARD: PCIBACK}


def test_what_a_dead_flight_had_is_given_back_by_the_next(passthrough: SimProject) -> None:
    host = passthrough.host
    host.pci.owners[CARD] = "xf.smoke-20261122-010000-a1b2c3.0123456789/e1000e"
    host.pci.drivers[CARD] = PCIBACK
    assert int(passthrough.run("--only", PV, flight="passthrough").ret) == 0
    assert host.pci.drivers == {CARD: "e1000e"}
    assert not host.pci.owners


def test_a_card_that_another_flight_has(passthrough: SimProject) -> None:
    passthrough.host.pci.owners[CARD] = "somebody/e1000e"
    assert int(passthrough.run("--only", PV, flight="passthrough").ret) == 6
    bad = culprit(passthrough.job(PV))
    assert bad
    assert f"{CARD} is somebody's" in bad["reason"]
    assert passthrough.host.pci.owners == {CARD: "somebody/e1000e"}
