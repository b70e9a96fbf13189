"""The suites ``storage`` and ``network`` on a real Xen, and the guests that must fail in them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from lab import CHECKOUT, Lab, inventory
from realhost import RealHost

from harness.results.model import JobResult
from harness.status import Status

pytestmark = pytest.mark.thorough
LONGEST = timedelta(minutes=50)
SKIPPED = {"storage": set[str](), "network": {"net-mac"}}
"""What a testbox lacks: it has no rule about MAC addresses."""


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


def fly(lab: Lab, only: str, flight: str) -> JobResult:
    """Through plain pytest; the one job that was asked for."""
    suites, file = str(CHECKOUT / "suites"), f"flights/{flight}.yaml"
    run = lab.pytest(suites, "--flight", file, "--only", only, timeout=LONGEST)
    found = [job for job in lab.results().jobs if job.status is not Status.SKIP]
    assert len(found) == 1, run.stdout + run.stderr
    return found[0]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("suite", ["storage", "network"])
def test_a_guest_passes_all_that_a_testbox_can_do(lab: Lab, suite: str) -> None:
    job = fly(lab, f"{suite}-bookworm-amd64-pv-direct", suite)
    bad = [(step.testid, step.status, step.reason) for step in job.steps]
    bad = [one for one in bad if one[1] is not Status.PASS and one[0] not in SKIPPED[suite]]
    assert bad == []
    skipped = {step.testid for step in job.steps if step.status is Status.SKIP}
    assert skipped == SKIPPED[suite]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("variant", "testid", "failure_class"),
    [
        ("forgetful", "guest-snapshot", "corrupt-data"),
        ("no-ipv6", "net-ipv6", "no-ipv6"),
    ],
)
def test_a_guest_that_must_fail(lab: Lab, variant: str, testid: str, failure_class: str) -> None:
    """Or the steps above could pass without its doing anything."""
    job = fly(lab, f"*-{variant}", "must-fail")
    failed = next(step for step in job.steps if step.status is Status.FAIL)
    assert (failed.testid, failed.failure_class) == (testid, failure_class), failed.reason
