"""The suite ``lifecycle`` on a real Xen: of PVH, which can do all of it, what needs no second boot.

The rest takes an hour without KVM, and is marked so; so is a guest that is deaf.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import CHECKOUT, Lab, inventory
from realhost import RealHost

from harness.remote.local import LocalRunner
from harness.results.model import JobResult
from harness.status import Status
from harness.testbox.accel import Accel, choose_accel
from harness.testbox.emulator import find_emulator

PV, PVH = (f"lifecycle-bookworm-amd64-{virt}-direct" for virt in ("pv", "pvh"))
SHORT = (
    *("guest-create", "guest-boot", "guest-console", "guest-ssh", "guest-data"),
    *("guest-saverestore", "guest-localmigrate", "guest-pause", "guest-rename", "guest-vcpus"),
    *("guest-memory", "guest-block", "guest-network", "guest-destroy", "guest-gone"),
)
NOT_SHORT = ("guest-saverestore.2", "guest-localmigrate.2", "guest-localmigrate-x10")


@pytest.fixture
def lab(tmp_path: Path, testbox: RealHost) -> Lab:
    """A project folder whose default host is the session's testbox."""
    return Lab.make(tmp_path, testbox.testbox.name)


@pytest.fixture(autouse=True)
def clean_host(testbox: RealHost) -> Iterator[None]:
    """The host must be after the test what it was before, but for golden LVs."""
    before = inventory(testbox.runner)
    yield
    assert inventory(testbox.runner) == before


def jobs_that_can_run() -> list[str]:
    """PVH only where it can be relied on."""
    accel, _ = choose_accel()
    plain = accel is Accel.TCG and not find_emulator(LocalRunner(), accel).mended
    return [PV] if plain else [PV, PVH]


def fly(lab: Lab, *words: str, flight: str = "lifecycle") -> dict[str, JobResult]:
    """Through plain pytest; the jobs that were asked for."""
    suites, file = str(CHECKOUT / "suites"), f"flights/{flight}.yaml"
    run = lab.pytest(suites, "--flight", file, "--rounds", "2", *words)
    found = {job.name: job for job in lab.results().jobs if job.status is not Status.SKIP}
    assert found, run.stdout + run.stderr
    return found


def assert_passed(job: JobResult) -> None:
    """But for what a PV guest cannot do where Xen has no shadow paging."""
    bad = [(step.testid, step.status, step.reason) for step in job.steps]
    bad = [one for one in bad if one[1] is not Status.PASS]
    if job.name == PV:
        bad = [one for one in bad if not ("localmigrate" in one[0] and "shadow" in str(one[2]))]
    assert bad == []


def test_a_guest_is_moved_and_changed_while_it_runs(lab: Lab) -> None:
    """Saved and restored, migrated, paused, renamed, and given and taken all that can be."""
    name = jobs_that_can_run()[-1]
    words = f"({' or '.join(SHORT)}) and not {' and not '.join(NOT_SHORT)}"
    jobs = fly(lab, "--only", name, "-k", words)
    assert list(jobs) == [name]
    assert_passed(jobs[name])
    assert jobs[name].runvars["former_domids"], "it was in another domain before"


@pytest.mark.thorough
def test_a_deaf_guest_cannot_be_saved(lab: Lab) -> None:
    """Or the steps above could pass without its doing anything."""
    (job,) = fly(lab, "--only", "lifecycle-*-deaf", flight="must-fail").values()
    failed = next(step for step in job.steps if step.status is Status.FAIL)
    found = (failed.testid, failed.phase, failed.failure_class)
    assert found == ("guest-saverestore", "save", "xl-refused"), failed.reason


@pytest.mark.thorough
@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("name", [PV, PVH])
def test_a_whole_life(lab: Lab, name: str) -> None:
    """All steps, two rounds of each that has some."""
    if name not in jobs_that_can_run():
        pytest.skip("plain QEMU may kill PVH and HVM guests, and the mended one was not built")
    assert_passed(fly(lab, "--only", name)[name])
