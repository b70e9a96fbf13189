"""A guest that is late on a busy host is not the guest's fault; one that panics is."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_host_pressure import Dom0

from harness.console.boot import BootWatcher
from harness.console.fake import Chunk, ScriptedStream, VirtualClock, VirtualRecorder
from harness.console.verdicts import FAILURE_CLASSES
from harness.errors import GuestFailure, HostLost, HostOverloaded
from harness.host.overload import PressureWatch
from harness.job.delay import SLOW, told_from_overload, whose_delay
from harness.plugin.outcome import judge, take_details
from harness.remote.fake import FakeRunner
from harness.status import Status
from harness.steps import StepRecord

KERNEL = b"[    0.000000] Linux version 6.1.0-47-cloud-amd64\r\n"
LOCKUP = b"[   48.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [swapper/0:1]\r\n"
PANIC = b"[   48.1] Kernel panic - not syncing: Fatal exception\r\n"
BUSY = {"share": 95.0, "load": 6.0}
IDLE = {"share": 5.0, "load": 0.2}


def failed_boot(script: list[Chunk], directory: Path, **busy: float) -> tuple[Status, StepRecord]:
    """A boot that fails, as a step of a job lives it."""
    clock = VirtualClock()
    watch = PressureWatch(Dom0(clock, **busy), clock=clock)
    step = StepRecord(job="boot", testid="guest-boot", clock=clock)
    stream = ScriptedStream(clock, script)
    with VirtualRecorder(stream, directory, clock=clock, name="guest") as recorder:
        watcher = BootWatcher(
            recorder,
            timeouts={},
            domain_state=watch.along(lambda: "running"),
            hostname="guest",
            step=step,
        )
        with pytest.raises((GuestFailure, HostOverloaded)) as caught:  # noqa: SIM117
            with told_from_overload(watch, step):
                watcher.to_login()
    take_details(step, caught.value)
    return judge(caught.value)[0], step


@pytest.mark.parametrize(
    ("script", "failure_class"),
    [
        ([], "silent"),
        ([(1, KERNEL), (1, b"[    2.0] probing\r\n")], "phase-timeout"),
        ([(1, KERNEL), (30, LOCKUP)], "soft-lockup"),
    ],
)
def test_late_on_a_busy_host_is_broken_and_on_an_idle_one_a_failure(
    script: list[Chunk], failure_class: str, tmp_path: Path
) -> None:
    for busy, expected in ((BUSY, Status.BROKEN), (IDLE, Status.FAIL)):
        status, step = failed_boot(script, tmp_path / expected, **busy)
        assert status is expected
        assert step.failure_class == failure_class
        assert step.failed_phase == step.phases[-1].name


def test_a_panic_is_the_guests_however_busy_the_host(tmp_path: Path) -> None:
    status, step = failed_boot([(1, KERNEL), (30, LOCKUP), (1, PANIC)], tmp_path, **BUSY)
    assert (status, step.failure_class) == (Status.FAIL, "kernel-panic")


def late(failure_class: str = "silent") -> GuestFailure:
    return GuestFailure(
        "nothing was printed in 60 s", phase="kernel", failure_class=failure_class, evidence="..."
    )


def test_what_is_said() -> None:
    clock = VirtualClock()
    found = whose_delay(late(), PressureWatch(Dom0(clock, **BUSY), clock=clock), 60)
    assert isinstance(found, HostOverloaded)
    assert found.message == (
        "the host was overloaded (tasks in dom0 waited for a CPU 95 % of the time), so this says"
        " nothing of the guest: nothing was printed in 60 s"
    )
    assert found.hint
    assert "slots" in found.hint


def test_dom0_is_not_asked_about_what_no_load_explains() -> None:
    runner = FakeRunner("dom0")
    failure = late("kernel-panic")
    assert whose_delay(failure, PressureWatch(runner), 60) is failure
    assert runner.calls == []


def test_without_a_word_from_dom0_it_is_the_guests() -> None:
    failure = late()
    assert whose_delay(failure, PressureWatch(FakeRunner("dom0")), 60) is failure


def test_a_host_that_is_gone_at_the_end_is_lost() -> None:
    runner = FakeRunner("dom0")
    runner.on("^grep", raises=HostLost("gone"))
    with pytest.raises(HostLost):
        whose_delay(late(), PressureWatch(runner), 60)


def test_only_the_time_of_the_failed_phase_counts(tmp_path: Path) -> None:
    # Busy while the domain was made, idle when its kernel hung.
    clock = VirtualClock()
    dom0 = Dom0(clock, **BUSY)
    step = StepRecord(job="boot", testid="guest-boot", clock=clock)
    watch = PressureWatch(dom0, clock=clock)

    def wait() -> None:
        with told_from_overload(watch, step):
            clock.sleep(100)
            watch.sample()
            # Totals that stand still from here on.
            dom0.busy = {"share": 95.0 / 2, "load": 6.0}
            clock.sleep(100)
            step.add_phase("kernel", clock.now - 100, clock.now, Status.FAIL)
            raise late()

    with pytest.raises(GuestFailure):
        wait()


def test_every_class_that_only_says_late_is_judged_by_the_host() -> None:
    names = {one.name for one in FAILURE_CLASSES}
    assert {one.name for one in FAILURE_CLASSES if one.slow} == SLOW & names
