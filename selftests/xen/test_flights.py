"""Real flights on a real Xen: what passes, what fails, and what is left afterwards.

They share one testbox and run one after the other, since each compares the whole host before
and after itself.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from lab import CHECKOUT, Lab, inventory
from realhost import RealHost

from harness.remote.local import LocalRunner
from harness.results.model import JobResult, StepResult
from harness.status import Status
from harness.steps import LEAK_CHECK
from harness.testbox.accel import Accel, choose_accel
from harness.testbox.emulator import find_emulator

STEPS = [
    "guest-create",
    "guest-boot",
    "guest-console",
    "guest-ssh",
    "guest-network",
    "guest-shutdown",
    "guest-gone",
    LEAK_CHECK,
]
HARDWARE_CELLS = ("boot-trixie-amd64-hvm-bios",)
"""A PVH guest goes through the suite `lifecycle` in these tests."""
MORE_CELLS = (
    "boot-bookworm-i386-pv-direct",
    "boot-bookworm-i386-pv-pygrub",
    "boot-trixie-amd64-pv-direct",
    "boot-trixie-amd64-pv-pygrub",
    "boot-trixie-amd64-pvh-pvgrub",
)
EVIDENCE = {
    "panic": ("guest-boot", "initramfs", "kernel-panic", "Kernel panic - not syncing"),
    "wrong-root": ("guest-boot", "initramfs", "root-not-found", "/dev/nowhere does not exist"),
    "no-getty": ("guest-boot", "login", "no-login-prompt", "Reached target"),
    "wrong-root-in-menu": (
        "guest-boot",
        "initramfs",
        "root-not-found",
        "/dev/nowhere does not exist",
    ),
    "no-network": ("guest-ssh", "network", "no-address", ""),
    "no-initramfs": ("guest-boot", "kernel", "root-not-found", "mount_block_root"),
    "initramfs": ("guest-boot", "initramfs", "initramfs-shell", "(initramfs)"),
    "emergency": ("guest-boot", "init", "emergency-shell", "You are in emergency mode"),
    "reboot": ("guest-boot", "init", "domain-shutdown", "reboot: Restarting system"),
    "memory": ("guest-boot", "kernel", "out-of-memory", "Call Trace"),
    "hang": ("guest-boot", "initramfs", "phase-timeout", "init-bottom ... done"),
    "no-ssh": ("guest-ssh", "ssh", "no-ssh", "running"),
}
QUICK = ("no-getty", "no-network", "emergency", "wrong-root-in-menu")
"""One for each part of a guest's way up, but for the kernel: a kept guest panics in
`test_leaks`. The last is i386, and its kernel is found by pygrub. The others take another ten
minutes."""


@pytest.fixture
def lab(tmp_path: Path, testbox: RealHost) -> Lab:
    """A project folder whose default host is the session's testbox."""
    return Lab.make(tmp_path, testbox.testbox.name)


@pytest.fixture
def clean_host(testbox: RealHost) -> Iterator[None]:
    """The host must be after the test what it was before, but for golden LVs."""
    before = inventory(testbox.runner)
    yield
    assert inventory(testbox.runner) == before


def step(job: JobResult, testid: str) -> StepResult:
    """One step of a job's results."""
    return next(found for found in job.steps if found.testid == testid)


@pytest.mark.usefixtures("clean_host")
def test_smoke_passes_and_leaves_nothing(lab: Lab) -> None:
    """One Debian guest, end to end, with all that a flight writes down."""
    run = lab.xenflight("run", "smoke")
    assert run.exit_status == 0, run.stdout + run.stderr
    flight = lab.results()
    (job,) = flight.jobs
    assert [(found.testid, found.status) for found in job.steps] == [
        (testid, Status.PASS) for testid in STEPS
    ]
    phases = [phase.name for phase in step(job, "guest-boot").phases]
    assert phases[:5] == ["create", "kernel", "initramfs", "init", "login"]
    assert (flight.hosts[0].xen_version or "").startswith("4.17")
    assert {"boot_id", "guest_ip", "guest_kernel", "mac"} <= set(job.runvars)
    console = lab.latest / (job.console_log or "")
    log = console.read_bytes()
    # The very first line of the kernel: nothing was lost before the recorder was there.
    assert b"Linux version" in log[:4096]
    assert b"login:" in log
    cast = (console.parent / "console.cast").read_text(encoding="utf-8").splitlines()
    assert json.loads(cast[0])["version"] == 2
    suite = ElementTree.parse(lab.latest / "junit.xml").getroot()
    # One more for the flight's own leak check.
    assert len(list(suite.iter("testcase"))) == len(STEPS) + 1
    assert len(list((lab.latest / "allure").glob("*-result.json"))) == len(STEPS) + 1


@pytest.mark.usefixtures("clean_host")
def test_cells_with_hardware_support_pass(lab: Lab) -> None:
    """HVM by its firmware and its own GRUB."""
    _require_hardware_support()
    assert _images_of_passing_cells(lab, HARDWARE_CELLS) == 1


@pytest.mark.thorough
@pytest.mark.usefixtures("clean_host")
def test_more_cells_of_the_matrix_pass(lab: Lab) -> None:
    """One image serves all boot methods; PVH is by the guest's own GRUB."""
    _require_hardware_support()
    assert _images_of_passing_cells(lab, MORE_CELLS) == 2


def _require_hardware_support() -> None:
    accel, _ = choose_accel()
    if accel is Accel.TCG and not find_emulator(LocalRunner(), accel).mended:
        pytest.skip("plain QEMU may kill PVH and HVM guests, and the mended one was not built")


def _images_of_passing_cells(lab: Lab, names: tuple[str, ...]) -> int:
    run = lab.xenflight("run", "matrix", "--only", ",".join(names))
    assert run.exit_status == 0, run.stdout + run.stderr
    flight = lab.results()
    assert [(job.name, job.status) for job in flight.jobs] == [
        (name, Status.PASS) for name in names
    ]
    return len(flight.images)


def test_what_a_rule_forbids_is_not_run(lab: Lab) -> None:
    """Asked for by hand, it is refused with the rule's reason, before a host is touched."""
    run = lab.xenflight("run", "matrix", "--only", "boot-sid-amd64-pv-uefi")
    assert run.exit_status == 2, run.stdout + run.stderr
    assert "firmware" in run.stderr
    assert not lab.latest.exists()


@pytest.mark.usefixtures("clean_host")
@pytest.mark.parametrize(
    "variants",
    [
        QUICK,
        pytest.param(
            tuple(name for name in EVIDENCE if name not in QUICK), marks=pytest.mark.thorough
        ),
    ],
    ids=["quick", "the rest"],
)
def test_guests_made_to_fail_do(
    tmp_path: Path, testbox: RealHost, variants: tuple[str, ...]
) -> None:
    """Each in its phase, with its class and its evidence; through plain pytest, two at once."""
    lab = Lab.make(tmp_path, testbox.testbox.name, slots=2)
    only = [f"--only=*-{variant}" for variant in variants]
    flight = ("--flight", "flights/must-fail.yaml", *only, "-n", "2")
    run = lab.pytest(str(CHECKOUT / "suites"), *flight)
    assert run.exit_status == 5, run.stdout + run.stderr
    jobs = {job.name.split("-", 5)[5]: job for job in lab.results().jobs}
    assert set(jobs) == set(variants)
    for variant in variants:
        testid, phase, failure_class, evidence = EVIDENCE[variant]
        failed = step(jobs[variant], testid)
        found = (failed.status, failed.phase, failed.failure_class)
        assert found == (Status.FAIL, phase, failure_class), variant
        assert evidence in failed.evidence
        *later, leak_check = jobs[variant].steps[STEPS.index(testid) + 1 :]
        assert {after.status for after in later} == {Status.BLOCKED}
        assert (leak_check.testid, leak_check.status) == (LEAK_CHECK, Status.PASS), leak_check


@pytest.mark.usefixtures("clean_host")
def test_ctrl_c_in_a_boot_ends_clean(lab: Lab) -> None:
    """Exit code 130, the job aborted, and nothing left."""
    with lab.started("run", "smoke") as run:
        lab.wait_for_console(b"Linux version")
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(300) == 130, lab.said
    flight = lab.results()
    assert flight.status is Status.ABORTED
    assert flight.ended is not None
    assert "exit code 130" in lab.said
