"""What jobs ask of the controller about their host, by files."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from harness.console.fake import VirtualClock
from harness.errors import DeadlineExceeded, LabError, Starved
from harness.job.care import PHASE, CareAnswer, CareRequest, HostCare, Want
from harness.steps import StepRecord

ME = os.getpid()
NOBODY = 1 << 30
"""No process has that number (pid_max is below)."""
BOUND = timedelta(minutes=5)


def asked(job: str = "boot-x", want: Want = Want.CANARY, at: float = 10.0) -> CareRequest:
    return CareRequest(want=want, job=job, why="lost", at=at)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def care(tmp_path: Path, clock: VirtualClock) -> HostCare:
    return HostCare(tmp_path, "rack1", clock)


def step(clock: VirtualClock) -> StepRecord:
    return StepRecord(job="boot-next", testid="guest-create", clock=clock)


def test_what_is_asked_is_pending_until_it_is_answered(care: HostCare) -> None:
    late, early = asked("boot-b", at=2.0), asked("boot-a", Want.POWER, at=1.0)
    care.ask(late)
    care.ask(early)
    assert care.pending() == [early, late]
    assert care.awaits() == "rack1, which does not answer"
    care.answer(early, CareAnswer(said="done"))
    assert care.pending() == [late]
    assert care.awaits() == "a canary, which proves rack1"
    assert care.wait(early, ME, BOUND) == CareAnswer(said="done")
    care.answer(late, CareAnswer(said="well"))
    assert care.awaits() == ""


def test_nothing_is_asked_nothing_is_waited_for(care: HostCare, clock: VirtualClock) -> None:
    now = step(clock)
    care.settle(NOBODY, BOUND, now)
    assert now.phases == []


def test_no_job_begins_while_something_is_done(care: HostCare, clock: VirtualClock) -> None:
    """In virtual time nobody answers meanwhile: the host is then taken as it is."""
    care.ask(asked())
    now = step(clock)
    care.settle(ME, BOUND, now)
    (phase,) = now.phases
    assert phase.name == PHASE
    assert phase.duration == pytest.approx(300, abs=1)


def test_nor_when_the_host_is_of_no_use(care: HostCare, clock: VirtualClock) -> None:
    care.ask(asked())
    care.answer(asked(), CareAnswer(said="x", unusable="rack1 was drained: a canary failed"))
    with pytest.raises(Starved, match="a canary failed"):
        care.settle(ME, BOUND, step(clock))


def test_a_controller_that_is_gone_answers_nothing(care: HostCare, clock: VirtualClock) -> None:
    care.ask(asked())
    with pytest.raises(LabError, match=r"the controller ended before it answered for canary-boot"):
        care.wait(asked(), NOBODY, BOUND)
    with pytest.raises(LabError, match="the controller ended while something was done"):
        care.settle(NOBODY, BOUND, step(clock))


def test_an_answer_that_does_not_come(care: HostCare) -> None:
    care.ask(asked())
    with pytest.raises(DeadlineExceeded, match="canary-boot-x"):
        care.wait(asked(), ME, BOUND)


def test_only_reboots_since_a_job_began_count(care: HostCare) -> None:
    assert care.rebooted_since(1.0) is None
    for job, at, rebooted in (("a", 5.0, True), ("b", 7.0, True), ("c", 9.0, False)):
        care.ask(asked(job))
        care.answer(asked(job), CareAnswer(said=job, rebooted=rebooted, at=at))
    assert (care.rebooted_since(1.0) or asked()).said == "b"  # type: ignore[union-attr]
    assert care.rebooted_since(8.0) is None


def test_files_that_make_no_sense_block_nobody(care: HostCare, clock: VirtualClock) -> None:
    care.ask(asked())
    (care.path / "canary-boot-x.asked.json").write_text("{nonsense")
    (care.path / "canary-boot-y.answer.json").write_bytes(b"\xff")
    assert care.pending() == []
    assert list(care.answers()) == []
    care.settle(ME, BOUND, step(clock))


def test_a_job_cannot_name_another_place(care: HostCare) -> None:
    with pytest.raises(ValueError, match="cannot name a directory"):
        care.ask(asked("../../x"))


def test_a_directory_that_cannot_be_written(tmp_path: Path, clock: VirtualClock) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match="cannot write"):
        HostCare(tmp_path / "file", "rack1", clock).ask(asked())
