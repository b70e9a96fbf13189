"""The suite ``migration`` between two testboxes: there and back, and to a newer Xen.

Half an hour without KVM, so all of it is marked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from lab import CHECKOUT, FLIGHT_TIMEOUT, Lab, inventory
from realhost import BOX, RealHost, default_spec

from harness.remote.local import LocalRunner
from harness.remote.ssh import SshRunner
from harness.results.model import JobResult
from harness.status import Status
from harness.testbox.accel import Accel, choose_accel
from harness.testbox.emulator import find_emulator
from harness.testbox.machine import Testbox
from harness.wait import Deadline

PV, PVH = (f"migration-bookworm-amd64-{virt}-direct" for virt in ("pv", "pvh"))
LIVE = ["guest-migrate.there", "guest-migrate.back"]
MINUTE = timedelta(minutes=1)
pytestmark = [pytest.mark.thorough, pytest.mark.timeout(2 * FLIGHT_TIMEOUT.total_seconds())]


@pytest.fixture(params=["bookworm", "trixie"])
def peer(request: pytest.FixtureRequest) -> Iterator[Testbox]:
    """A second testbox, of either release."""
    release = str(request.param)
    found = Testbox(f"{os.environ[BOX]}-{release}-2", replace(default_spec(), release=release))
    found.up()
    yield found
    found.remove()


@pytest.fixture
def lab(tmp_path: Path, testbox: RealHost, peer: Testbox) -> Lab:
    """A project folder with both."""
    lab = Lab.make(tmp_path, testbox.testbox.name)
    with lab.hosts() as hosts:
        usual = hosts[testbox.testbox.name]
        box = {**usual["testbox"], "release": peer.spec.release}
        hosts[peer.name] = {**usual, "testbox": box}
    return lab


def virts() -> list[str]:
    """PVH only where it can be relied on."""
    accel, _ = choose_accel()
    plain = accel is Accel.TCG and not find_emulator(LocalRunner(), accel).mended
    return [PV] if plain else [PV, PVH]


def fly(lab: Lab, hosts: str, name: str, flight: str = "migration") -> JobResult:
    """Through plain pytest."""
    words = ("--flight", f"flights/{flight}.yaml", "--host", hosts, "--only", name)
    run = lab.pytest(str(CHECKOUT / "suites"), *words)
    (job,) = (one for one in lab.results().jobs if one.name == name)
    assert job.steps, run.stdout + run.stderr
    return job


def test_a_guest_moves_to_another_host(lab: Lab, testbox: RealHost, peer: Testbox) -> None:
    """And back, where that has the same Xen; and nothing of it is on either afterwards."""
    name = virts()[-1]
    newer = peer.spec.release == "trixie"
    hosts = f"{testbox.testbox.name},{peer.name}"
    with closing(SshRunner.connect(peer.endpoint(), Deadline.after(MINUTE))) as other:
        before = inventory(testbox.runner), inventory(other)
        job = fly(lab, hosts, f"{name}-newer" if newer else name)
        assert (inventory(testbox.runner), inventory(other)) == before
    bad = {step.testid: step.status for step in job.steps if step.status is not Status.PASS}
    skips = set(LIVE) if name == PV else set()
    if newer:
        skips |= {LIVE[1], "guest-move.back"} | (set() if name == PV else {"guest-move.there"})
    assert bad == dict.fromkeys(skips, Status.SKIP), [step.reason for step in job.steps]
    moved = [step.facts["moved"] for step in job.steps if "moved" in step.facts]
    assert moved[0].endswith(f"-> {job.runvars['peer']}")


@pytest.mark.parametrize("peer", ["bookworm"], indirect=True)
def test_a_deaf_guest_does_not_move(lab: Lab, testbox: RealHost, peer: Testbox) -> None:
    """Or the steps above could pass without its doing anything."""
    job = fly(lab, f"{testbox.testbox.name},{peer.name}", f"{PV}-deaf", "must-fail")
    failed = next(step for step in job.steps if step.status is Status.FAIL)
    found = (failed.testid, failed.phase, failed.failure_class)
    assert found == ("guest-move.there", "save", "xl-refused"), failed.reason
