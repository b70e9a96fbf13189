"""The suite ``passthrough`` on a real Xen with an emulated IOMMU, and a guest that must fail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from lab import CHECKOUT, Lab
from realhost import BOX, default_spec

from harness.flight.model import BoxIommu
from harness.job.pcifacts import read_device
from harness.remote.ssh import SshRunner
from harness.results.model import JobResult
from harness.status import Status
from harness.testbox.machine import Testbox
from harness.wait import Deadline

MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def box() -> Iterator[Testbox]:
    """A testbox of this session with an IOMMU and a spare card, which is up."""
    spec = replace(default_spec(), iommu=BoxIommu.INTEL, spare_nics=1)
    found = Testbox(f"{os.environ[BOX]}-iommu", spec)
    found.up()
    yield found
    found.remove()


@pytest.fixture
def lab(box: Testbox, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A folder with the project's flights, whose host for this is that one."""
    made = Lab.make(tmp_path_factory.mktemp("lab"), box.name)
    with made.hosts() as hosts:
        hosts[box.name]["testbox"] |= {"iommu": "intel", "spare_nics": 1}
    flight = made.folder / "flights" / "passthrough.yaml"
    flight.write_text(flight.read_text(encoding="utf-8").replace("testbox-iommu", box.name))
    return made


@pytest.fixture(autouse=True)
def card_is_dom0s(box: Testbox) -> Iterator[None]:
    """Before and after, whatever becomes of the guest."""
    before = card(box)
    assert before["driver"] == "e1000e"
    yield
    assert card(box) == before


def card(box: Testbox) -> dict[str, str]:
    with closing(SshRunner.connect(box.endpoint(), Deadline.after(MINUTE))) as runner:
        return dict(read_device(runner, box.spec.spare_devices[0]))


def fly(lab: Lab, only: str, flight: str) -> JobResult:
    suites, file = str(CHECKOUT / "suites"), f"flights/{flight}.yaml"
    run = lab.pytest(suites, "--flight", file, "--only", only, timeout=40 * MINUTE)
    found = [job for job in lab.results().jobs if job.status is not Status.SKIP]
    assert len(found) == 1, run.stdout + run.stderr
    return found[0]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("variant", ["pv-direct", "pv-direct-bounce"])
def test_a_guest_has_a_card_of_the_hosts(lab: Lab, variant: str) -> None:
    job = fly(lab, f"passthrough-bookworm-amd64-{variant}", "passthrough")
    bad = [(step.testid, step.reason) for step in job.steps if step.status is not Status.PASS]
    assert bad == []
    assert job.runvars["iommu"] == "Intel VT-d"
    if variant.endswith("bounce"):
        assert int(job.runvars["bounce_used"]) > 0


@pytest.mark.timeout(3600)
def test_a_guest_without_a_driver_for_it(lab: Lab) -> None:
    job = fly(lab, "*-no-driver", "must-fail")
    failed = next(step for step in job.steps if step.status is Status.FAIL)
    assert (failed.testid, failed.failure_class) == ("pci-card", "no-driver"), failed.reason
