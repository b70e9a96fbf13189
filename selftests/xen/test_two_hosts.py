"""A flight on two testboxes, of which one is killed in the middle."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from lab import FLIGHT_TIMEOUT, Lab, inventory
from realhost import BOX, RealHost, default_spec

from harness.host.slots import read_slots
from harness.remote.ssh import SshRunner
from harness.results.model import JobResult
from harness.status import Status
from harness.testbox.machine import Testbox
from harness.wait import Deadline, NotYet, wait_for

BOOTS = timedelta(minutes=10)
MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.timeout(2 * FLIGHT_TIMEOUT.total_seconds())
FLIGHT = """
flight: two
description: The guest of smoke, twice.
mirror: auto
defaults: {suite: boot, memory: 512M, vcpus: 1, disk: 2G}
jobs:
  - {dist: bookworm, arch: amd64, virt: pv, boot: direct, variant: one}
  - {dist: bookworm, arch: amd64, virt: pv, boot: direct, variant: two}
"""


@pytest.fixture
def doomed() -> Iterator[Testbox]:
    """A second testbox, which will not live long."""
    found = Testbox(f"{os.environ[BOX]}-doomed", default_spec())
    found.up()
    yield found
    found.remove()


@pytest.fixture
def lab(tmp_path: Path, testbox: RealHost, doomed: Testbox) -> Lab:
    """A slot on each: so one of two jobs is under way where it will not end well."""
    lab = Lab.make(tmp_path, testbox.testbox.name)
    with lab.hosts() as hosts:
        usual = hosts[testbox.testbox.name]
        hosts[testbox.testbox.name] = {**usual, "slots": 1}
        hosts[doomed.name] = {**usual, "slots": 1, "canary": {"when": "never"}}
    (lab.folder / "flights" / "two.yaml").write_text(FLIGHT, encoding="utf-8")
    return lab


def wait_until_one_boots(lab: Lab, box: Testbox) -> str:
    """Until a guest there has said something; its job."""
    with closing(SshRunner.connect(box.endpoint(), Deadline.after(MINUTE))) as dom0:

        def look() -> str:
            for holder in read_slots(dom0).held:
                console = lab.latest / "jobs" / holder.job / "console.log"
                if console.exists() and b"Linux version" in console.read_bytes():
                    return holder.job
            msg = "no guest said anything there"
            raise NotYet(msg)

        return wait_for(look, what=f"a guest on {box.name}", deadline=Deadline.after(BOOTS))


def only(jobs: Iterable[JobResult], name: str) -> JobResult:
    return next(job for job in jobs if job.name == name)


@pytest.mark.thorough  # ten minutes on two cores, and the simulated hosts show the same
def test_what_ran_on_a_host_that_died_is_tried_again_on_the_other(
    lab: Lab, testbox: RealHost, doomed: Testbox
) -> None:
    alive = testbox.testbox.name
    before = inventory(testbox.runner)
    words = ("two", "--host", f"{alive},{doomed.name}", "--no-power-cycle")
    with lab.started("run", *words) as run:
        hit = wait_until_one_boots(lab, doomed)
        record = doomed.record()
        assert record
        os.kill(record.pid, signal.SIGKILL)
        assert run.wait(FLIGHT_TIMEOUT.total_seconds()) == 4, lab.said
    flight = lab.results()
    assert [job.status for job in flight.jobs] == [Status.PASS] * 2, lab.said
    job = only(flight.jobs, hit)
    (attempt,) = job.attempts
    assert (attempt.status, attempt.host) == (Status.BROKEN, doomed.name)
    assert "lost" in (attempt.reason or "") or "reached" in (attempt.reason or ""), attempt.reason
    assert {one.host for one in flight.jobs} == {alive}
    assert [one.attempts for one in flight.jobs if one.name != hit] == [()]
    kept = lab.latest / "jobs" / hit / "attempt-1" / "console.log"
    assert b"Linux version" in kept.read_bytes(), "what it said before is kept"
    assert any(doomed.name in problem for problem in flight.problems), "the lab is to be looked at"
    assert flight.status is Status.BROKEN
    assert inventory(testbox.runner) == before
