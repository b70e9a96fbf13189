"""Hosts that die or fall ill, for real: power-cycled, read again, proved by a canary, drained.

They have a testbox of their own, since what others share would not survive this. One for all of
them, in the order of this file: each but the last leaves it well.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, inventory
from realhost import BOX, default_spec

from harness.errors import HostLost
from harness.flight.model import HostSpec
from harness.host.use import BOOT_ID
from harness.power.choose import power_of
from harness.power.model import Power, PowerState
from harness.remote.command import Command
from harness.remote.ssh import SshRunner
from harness.results.model import JobResult
from harness.status import Status
from harness.testbox.machine import Testbox
from harness.testbox.qmp import connect
from harness.wait import Deadline, NotYet, wait_for

BACK = timedelta(minutes=10)
"""For a cold boot on a machine that has other work."""
ENDS = 45 * 60
"""Seconds for a flight whose host dies: to notice it, to be sure, to boot, and the canary."""
MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.timeout(ENDS + 15 * 60)


@pytest.fixture(scope="module")
def box() -> Iterator[Testbox]:
    """A testbox that runs, and that nobody else uses."""
    found = Testbox(f"{os.environ[BOX]}-ill", default_spec())
    found.up()
    yield found
    found.remove()


@pytest.fixture(scope="module")
def good(box: Testbox, tmp_path_factory: pytest.TempPathFactory) -> None:
    """From now on the host has a guest that is known to be good."""
    pass_once(Lab.make(tmp_path_factory.mktemp("good"), box.name))


@pytest.fixture
def power(box: Testbox) -> Power:
    spec = HostSpec(name=box.name, slots=1, timeout_factor=4.0, testbox=default_spec())
    found = power_of(spec)
    assert found
    return found


@pytest.fixture
def lab(tmp_path: Path, box: Testbox) -> Lab:
    return Lab.make(tmp_path, box.name)


@contextmanager
def dom0(box: Testbox) -> Iterator[SshRunner]:
    """Its dom0, as soon as that answers."""
    with closing(SshRunner.connect(box.endpoint(), Deadline.after(BACK))) as runner:
        yield runner


def boot_of(box: Testbox) -> str:
    with dom0(box) as runner:
        return runner.run(BOOT_ID).stdout.strip()


def wait_rebooted(box: Testbox, before: str) -> None:
    """Until it answers in another boot."""

    def look() -> None:
        try:
            with closing(SshRunner.connect(box.endpoint(), Deadline.after(MINUTE))) as runner:
                if runner.run(BOOT_ID).stdout.strip() == before:
                    msg = "it is still in its old boot"
                    raise NotYet(msg)
                runner.run(Command.of("xl", "list"))
        except HostLost as error:
            raise NotYet(error.message) from error

    wait_for(look, what=f"the next boot of {box.name}", deadline=Deadline.after(BACK))


def leave_a_mark(box: Testbox) -> None:
    """On its disk, and in its journal."""
    script = "echo mark >/root/mark; logger mark-of-this-boot; journalctl --sync; sync"
    with dom0(box) as runner:
        runner.run(Command.shell(script))


def check_mark(box: Testbox) -> None:
    """The same disk, another boot, the right time, a toolstack and a thin pool that work."""
    with dom0(box) as runner:
        assert runner.run(Command.of("cat", "/root/mark")).stdout == "mark\n"
        assert "mark-of-this-boot" in runner.run(Command.of("journalctl", "-b", "-1")).stdout
        assert "mark-of-this-boot" not in runner.run(Command.of("journalctl", "-b", "0")).stdout
        now = int(runner.run(Command.of("date", "+%s")).stdout)
        assert abs(now - time.time()) < 120, "its clock"
        assert "Domain-0" in runner.run(Command.of("xl", "list")).stdout
        assert "pool" in runner.run(Command.of("lvs", "xenflight")).stdout


def test_a_canary_by_hand_leaves_nothing(
    lab: Lab, box: Testbox, request: pytest.FixtureRequest
) -> None:
    nothing = lab.xenflight("hosts", "check", box.name)
    assert nothing.exit_status == 3, nothing.stdout + nothing.stderr
    request.getfixturevalue("good")
    with dom0(box) as runner:
        before = inventory(runner)
    well = lab.xenflight("hosts", "check", box.name)
    assert well.exit_status == 0, well.stdout + well.stderr
    with dom0(box) as runner:
        assert inventory(runner) == before
    assert "pass" in lab.xenflight("hosts").stdout


@pytest.mark.thorough  # the host that dies under a job is switched, too
def test_a_testbox_is_reset_and_keeps_its_disks(box: Testbox, power: Power) -> None:
    leave_a_mark(box)
    before, record = boot_of(box), box.record()
    assert power.status() is PowerState.ON
    power.cycle()
    wait_rebooted(box, before)
    check_mark(box)
    after = box.record()
    assert record
    assert after
    assert after.pid != record.pid
    assert after.ssh_port == record.ssh_port
    assert b"Xen" in power.log()
    assert box.up().how.startswith("was running"), "whoever comes next takes it as it is"


@pytest.mark.thorough
def test_one_whose_qemu_died_boots_again_from_its_disks(box: Testbox, power: Power) -> None:
    leave_a_mark(box)
    before, record = boot_of(box), box.record()
    assert record
    os.kill(record.pid, signal.SIGKILL)
    record.wait_gone(Deadline.after(MINUTE))
    assert power.status() is PowerState.OFF
    power.cycle()
    assert power.status() is PowerState.ON
    wait_rebooted(box, before)
    check_mark(box)
    after = box.record()
    assert after
    assert after.pid != record.pid
    assert after.ssh_port == record.ssh_port, "others know it by that"


def health(lab: Lab) -> dict[str, Any]:
    (host,) = json.loads(lab.xenflight("hosts", "--json").stdout)
    assert host["drained"] is None, host
    found = host["health"]
    assert isinstance(found, dict)
    return found


def broken_job(lab: Lab) -> JobResult:
    """The only one: its evidence was read again after the reboot, and then it was tried again."""
    (job,) = lab.results().jobs
    (attempt,) = job.attempts
    assert attempt.status is Status.BROKEN, lab.said
    assert attempt.evidence
    assert "things are in after-reboot/" in attempt.evidence.note, attempt.evidence.note
    assert job.status is Status.PASS, lab.said
    return job


def evidence_after(lab: Lab, job: JobResult) -> Path:
    """Where that is which was read again."""
    return lab.latest / "jobs" / job.name / "attempt-1" / "evidence" / "after-reboot"


def check_read_again(lab: Lab, job: JobResult) -> None:
    after = evidence_after(lab, job)
    # Of the last boot, as much as is of the flight.
    assert "sshd[" in (after / "journal-before.txt").read_text(errors="replace")
    assert "Xen version" in (after / "xl-dmesg.txt").read_text(errors="replace")
    assert (after / "pstore.txt").exists()


def pass_once(lab: Lab) -> None:
    """A flight passes."""
    run = lab.xenflight("run", "smoke")
    assert run.exit_status == 0, run.stdout + run.stderr


@pytest.mark.usefixtures("good")
def test_a_host_that_dies_under_a_job_is_cycled_read_and_proved(lab: Lab, box: Testbox) -> None:
    with dom0(box) as runner:
        clean = inventory(runner)
    with lab.started("run", "smoke") as run:
        lab.wait_for_console(b"Linux version")
        record = box.record()
        assert record
        os.kill(record.pid, signal.SIGKILL)
        assert run.wait(ENDS) == 4, lab.said
    job = broken_job(lab)
    check_read_again(lab, job)
    console = evidence_after(lab, job) / "host-console.txt"
    assert console.stat().st_size > 0
    problems = "; ".join(lab.results().problems)
    assert f"{box.name} did not answer; it was power-cycled by the QEMU of testbox" in problems
    found = health(lab)
    assert found["canary"]["verdict"] == "pass", found
    assert found["broken"]["job"] == job.name
    assert "power-cycled" in found["power"]["reason"]
    with dom0(box) as runner:
        assert inventory(runner) == clean, "neither the job's nor the canary's is left"


@pytest.mark.thorough
@pytest.mark.usefixtures("good")
def test_a_host_that_is_reset_under_a_job_is_read_and_proved(
    lab: Lab, box: Testbox, power: Power
) -> None:
    """Somebody else cycles its power: the flight notices, and does not cycle it again."""
    before = boot_of(box)
    with lab.started("run", "smoke") as run:
        lab.wait_for_console(b"Linux version")
        power.cycle()
        assert run.wait(ENDS) == 4, lab.said
    check_read_again(lab, broken_job(lab))
    assert boot_of(box) != before
    found = health(lab)
    assert found["canary"]["verdict"] == "pass", found
    assert "power-cycling" not in lab.said


@pytest.mark.thorough
@pytest.mark.usefixtures("good")
def test_a_host_that_hangs_is_cycled(lab: Lab, box: Testbox) -> None:
    """Its connections stand, and nothing comes over them."""
    with lab.started("run", "smoke") as run:
        lab.wait_for_console(b"Linux version")
        with connect(box.paths.files.qmp, Deadline.after(MINUTE)) as qmp:
            qmp.execute("stop")
        assert run.wait(ENDS) == 4, lab.said
    broken_job(lab)
    assert "power-cycling" in lab.said
    assert health(lab)["canary"]["verdict"] == "pass"


BREAK = "mv /sbin/lvm /sbin/lvm.ill; printf '#!/bin/sh\\nexit 5\\n' >/sbin/lvm; chmod +x /sbin/lvm"
MEND = "mv /sbin/lvm.ill /sbin/lvm"


@pytest.mark.thorough
@pytest.mark.usefixtures("good")
def test_a_host_that_is_ill_is_drained_until_it_is_well(lab: Lab, box: Testbox) -> None:
    """LVM fails there: the next job is broken, the canary too, and no other job begins."""
    with dom0(box) as runner:
        target = runner.run(Command.of("readlink", "-f", "/sbin/lvcreate")).stdout.strip()
        assert target.endswith("/lvm"), target
    with lab.started("run", "smoke", "--only", "*-pv-*") as run:
        # Ill only once the flight has begun, which asks LVM before its first job.
        lab.wait_for_console(b"Linux version")
        with dom0(box) as runner:
            runner.run(Command.shell(BREAK))
        assert run.wait(ENDS) == 4, lab.said
    problems = "; ".join(lab.results().problems)
    assert "was drained: " in problems, lab.said
    (host,) = json.loads(lab.xenflight("hosts", "--json").stdout)
    assert host["state"] == "drained"
    assert host["health"]["canary"]["verdict"] == "fail"
    assert lab.xenflight("run", "smoke").exit_status == 6
    by_hand = lab.xenflight("hosts", "check", box.name)
    assert by_hand.exit_status == 4, by_hand.stdout
    with dom0(box) as runner:
        runner.run(Command.shell(MEND))
    again = lab.xenflight("hosts", "check", box.name)
    assert again.exit_status == 0, again.stdout + again.stderr
    assert "hosts undrain" in again.stdout, "it is told how to go on"
    assert lab.xenflight("hosts", "undrain", box.name).exit_status == 0
    pass_once(lab)


@pytest.mark.thorough
def test_not_with_no_power_cycle(lab: Lab, box: Testbox) -> None:
    with lab.started("run", "smoke", "--no-power-cycle") as run:
        lab.wait_for_console(b"Linux version")
        record = box.record()
        assert record
        os.kill(record.pid, signal.SIGKILL)
        assert run.wait(ENDS) == 4, lab.said
    (job,) = lab.results().jobs
    (attempt,) = job.attempts
    assert (attempt.status, job.status) == (Status.BROKEN, Status.STARVED), "no host was left"
    assert attempt.evidence
    assert "it was not power-cycled: this run forbids it" in attempt.evidence.note
    assert box.record() is None
