"""Leak checks on a real Xen: a suite that leaves things behind on purpose, and one that does not.

In the order of this file: the second flight runs beside what the first one left.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, inventory
from realhost import RealHost

from harness.host.census import Census, Kind
from harness.host.censustaking import take_census
from harness.host.xenhost import XenHost
from harness.remote.command import Command
from harness.results.model import JobResult, StepResult
from harness.status import Status
from harness.steps import LEAK_CHECK
from harness.storage.volumes import VolumeManager
from harness.testbox.volumes import BRIDGE, THIN_POOL, VOLUME_GROUP
from harness.xen.toolstack import Xl
from harness.xen.xenstore import Xenstore

SPARE, DECOY = "selftest-spare", "selftest-decoy"
MOUNT_POINT = "/mnt/selftest-leak"
SUITE = f"""
'''Leaves on the host, on purpose: an LV, a mount, a key in xenstore, and an LV of nobody's.'''
from harness.host.names import run_of_domain
from harness.remote.command import Command
from harness.storage.names import scratch_tags
from harness.units import Size


def test_guest_create(guest):
    guest.create()


def test_guest_gone(guest):
    guest.remove()


def test_leave_things(guest):
    host, run = guest.host, run_of_domain(guest.name)
    host.volumes.create_thin("{SPARE}", Size.parse("64M"), scratch_tags(run, guest.spec.name))
    mount = Command.of("mount", "-t", "tmpfs", guest.name, "{MOUNT_POINT}")
    host.runner.run(Command.of("mkdir", "-p", "{MOUNT_POINT}"))
    host.runner.run(mount)
    domid = guest.recall("domid")
    host.runner.run(Command.of("xenstore-write", f"/libxl/{{domid}}/selftest", "leak"))
    decoy = ("lvcreate", "--yes", "--wipesignatures", "n", "--virtualsize", "64m")
    pool = ("--thinpool", host.volumes.pool, "--name", "{DECOY}", host.volumes.group)
    host.runner.run(Command.of(*decoy, *pool))
"""
PANIC = ("guest-boot", "initramfs", "kernel-panic")
FLIGHT = """
flight: leaky
defaults: {suite: leaky, memory: 512M, vcpus: 1, disk: 2G}
matrix: {dist: [bookworm], arch: [amd64], virt: [pv], boot: [direct]}
"""


@pytest.fixture
def lab(tmp_path: Path, testbox: RealHost) -> Lab:
    """A project folder with a suite that leaks, whose default host is the session's testbox."""
    made = Lab.make(tmp_path, testbox.testbox.name)
    (tmp_path / "suites" / "leaky").mkdir(parents=True)
    (tmp_path / "suites" / "leaky" / "test_leaky.py").write_text(textwrap.dedent(SUITE))
    (tmp_path / "flights" / "leaky.yaml").write_text(FLIGHT)
    return made


@pytest.fixture
def clean_lab(tmp_path: Path, testbox: RealHost) -> Lab:
    """One with the project's own suites."""
    (tmp_path / "clean").mkdir()
    return Lab.make(tmp_path / "clean", testbox.testbox.name)


@pytest.fixture
def host(testbox: RealHost) -> XenHost:
    """The testbox, as the harness sees it."""
    runner = testbox.runner
    return XenHost(
        name=testbox.testbox.name,
        runner=runner,
        volumes=VolumeManager(runner, VOLUME_GROUP, THIN_POOL),
        xl=Xl(runner),
        xenstore=Xenstore(runner),
        bridge=BRIDGE,
        timeout_factor=1.0,
    )


@pytest.fixture
def tidied(host: XenHost) -> Iterator[list[str]]:
    """Removes in the end what was left on purpose; the test adds keys of xenstore to the list."""
    keys: list[str] = []
    yield keys
    for words in (
        ("umount", MOUNT_POINT),
        ("rmdir", MOUNT_POINT),
        *(("xenstore-rm", key) for key in keys),
        *(("lvremove", "--yes", f"{VOLUME_GROUP}/{name}") for name in (SPARE, DECOY)),
    ):
        host.runner.run(Command.of(*words), check=False)


def leak_check(job: JobResult) -> StepResult:
    """The last step of a job."""
    assert job.steps[-1].testid == LEAK_CHECK
    return job.steps[-1]


def names(census: Census, kind: Kind) -> set[str]:
    """Of the entries of one kind."""
    return {entry.name for entry in census.entries if entry.kind is kind}


def test_what_a_job_leaves_is_told_and_the_next_is_not_blamed(
    lab: Lab, clean_lab: Lab, host: XenHost, tidied: list[str]
) -> None:
    run = lab.xenflight("run", "leaky")
    assert run.exit_status == 4, run.stdout + run.stderr
    flight = lab.results()
    (job,) = flight.jobs
    domid = job.runvars["domid"]
    tidied.append(f"/libxl/{domid}")
    assert {step.status for step in job.steps[:-1]} == {Status.PASS}

    check = leak_check(job)
    assert (check.status, check.failure_class) == (Status.BROKEN, "leak"), check
    left, _, rest = check.evidence.partition("appeared meanwhile, of nobody known:")
    for leak in (f"+ LV {SPARE} (", f"+ mount {MOUNT_POINT} (", f"+ xenstore /libxl/{domid}"):
        assert leak in left, check.evidence
    assert DECOY not in left
    assert f"+ LV {DECOY}" in rest, check.evidence
    assert "vif" not in left, "its own interfaces and back ends went with it"

    # The sweep knows LVs by their tags, and removes that; for the rest there is the ledger.
    assert any(f"LV {SPARE}" in problem for problem in flight.problems)
    whole = flight.leak_check
    assert whole
    assert whole.status is Status.BROKEN
    assert f"mount {MOUNT_POINT}" in (whole.reason or "")
    assert SPARE not in whole.evidence
    assert "memory of Xen: " in whole.evidence
    assert "thin pool: " in whole.evidence
    assert f"broken: {LEAK_CHECK} of {job.name}: left on " in run.stdout

    after = take_census(host)
    assert DECOY in names(after, Kind.VOLUME), "nobody's LV is left alone"
    assert MOUNT_POINT in names(after, Kind.MOUNT), "a ledger removes nothing"

    good = clean_lab.xenflight("run", "smoke")
    assert good.exit_status == 0, good.stdout + good.stderr
    (clean,) = clean_lab.results().jobs
    check = leak_check(clean)
    assert check.status is Status.PASS, check
    assert MOUNT_POINT not in check.evidence
    whole = clean_lab.results().leak_check
    assert whole
    assert whole.status is Status.PASS, whole
    assert MOUNT_POINT not in (whole.reason or "")


def test_a_kept_guest_is_told_and_stays_until_it_is_given_up(clean_lab: Lab, host: XenHost) -> None:
    """It is no leak, and not even the next flight reaps it; `reap --kept` does."""
    before = inventory(host.runner)
    run = clean_lab.xenflight("run", "must-fail", "--only", "*-panic", "--keep", "on-failure")
    flight = clean_lab.results()
    try:
        assert run.exit_status == 5, run.stdout + run.stderr
        (job,) = flight.jobs
        failed = next(step for step in job.steps if step.status is Status.FAIL)
        assert (failed.testid, failed.phase, failed.failure_class) == PANIC
        assert "Kernel panic - not syncing" in failed.evidence
        assert job.kept
        domid = job.runvars["domid"]
        for check in (leak_check(job), flight.leak_check):
            assert check
            assert check.status is Status.PASS, check
            assert (check.reason or "").startswith("kept for its operator: domain xf.")
            assert f"= interface vif{domid}.0, of {job.name}" in check.evidence
            assert f"= back end vbd/{domid}/" in check.evidence
        said = " ".join(run.stdout.split())
        assert "left there: nothing of ours; kept for its operator: domain xf." in said
        kept = inventory(host.runner)
        assert any(line.startswith(job.runvars["domain"]) for line in kept["domains"])
        assert clean_lab.xenflight("reap").exit_status == 0
        assert inventory(host.runner) == kept
    finally:
        gone = clean_lab.xenflight("reap", "--kept", flight.flight_id)
    assert gone.exit_status == 0, gone.stdout + gone.stderr
    assert inventory(host.runner) == before


def test_an_inventory_of_a_real_host(host: XenHost) -> None:
    """All parts of it are there, with what any dom0 has."""
    census = take_census(host)
    assert "Domain-0" in names(census, Kind.DOMAIN)
    assert THIN_POOL in names(census, Kind.VOLUME)
    assert {"lo", BRIDGE} <= names(census, Kind.INTERFACE)
    assert "/" in names(census, Kind.MOUNT)
    assert "/local/domain/0" in names(census, Kind.XENSTORE)
    assert any(name.startswith("/run/xen/") for name in names(census, Kind.FILE))
    assert census.pool
    assert census.free_memory > 0
    # dom0's own device model, if it has one, is there in both.
    again = take_census(host)
    assert {entry.key for entry in again.entries} == {entry.key for entry in census.entries}
