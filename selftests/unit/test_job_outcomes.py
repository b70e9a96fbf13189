"""What became of each image, and waiting for it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.errors import DeadlineExceeded, LabError
from harness.job.outcomes import OUTCOMES, PATIENCE, PHASE, ImageOutcomes, image_for
from harness.job.prepared import Prepared, PreparedImage
from harness.steps import StepRecord

IMAGE = PreparedImage(key="k", golden="xf-golden-k", root_partition=3, menu="set root=1\n")
NOBODY = 2**22 + 1
"""No process id: above the kernel's greatest (PID_MAX_LIMIT)."""


@dataclass
class Clock:
    """Time passes only while somebody sleeps; then something may happen."""

    now: float = 0.0
    then: dict[float, tuple[ImageOutcomes, str]] = field(default_factory=dict)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for at in [at for at in self.then if at <= self.now]:
            outcomes, name = self.then.pop(at)
            outcomes.write(name, IMAGE)


@pytest.fixture
def outcomes(tmp_path: Path) -> ImageOutcomes:
    return ImageOutcomes(tmp_path)


def test_an_outcome_is_there_for_all_processes(outcomes: ImageOutcomes, tmp_path: Path) -> None:
    assert outcomes.find("a") is None
    outcomes.write("a", IMAGE)
    assert ImageOutcomes(tmp_path).find("a") == IMAGE


def test_one_that_comes_late_is_waited_for(outcomes: ImageOutcomes) -> None:
    clock = Clock(then={60.0: (outcomes, "a")})
    assert outcomes.wait("a", os.getpid(), clock) == IMAGE
    assert 60 <= clock.now < 61


def test_the_wait_has_an_end(outcomes: ImageOutcomes) -> None:
    clock = Clock()
    with pytest.raises(DeadlineExceeded, match="image a"):
        outcomes.wait("a", os.getpid(), clock)
    assert clock.now == pytest.approx(PATIENCE.total_seconds(), abs=1)


def test_it_starts_anew_with_every_other_image_that_becomes_ready(outcomes: ImageOutcomes) -> None:
    once = PATIENCE.total_seconds()
    clock = Clock(then={0.9 * once: (outcomes, "b"), 1.8 * once: (outcomes, "a")})
    assert outcomes.wait("a", os.getpid(), clock) == IMAGE


def test_a_controller_that_is_gone_ends_it_at_once(outcomes: ImageOutcomes) -> None:
    clock = Clock()
    with pytest.raises(LabError, match="controller ended"):
        outcomes.wait("a", NOBODY, clock)
    assert clock.now == 0


def test_what_it_had_ready_by_then_counts(outcomes: ImageOutcomes) -> None:
    outcomes.write("a", IMAGE)
    assert outcomes.wait("a", NOBODY, Clock()) == IMAGE


def test_a_damaged_file_is_said(outcomes: ImageOutcomes, tmp_path: Path) -> None:
    (tmp_path / OUTCOMES).mkdir()
    (tmp_path / OUTCOMES / "a.json").write_text("{")
    with pytest.raises(LabError, match=r"a\.json"):
        outcomes.find("a")


def prepared(**more: str) -> Prepared:
    return Prepared(flight_id="f", images={"job": "a"}, controller=NOBODY, **more)  # type: ignore[arg-type]


def test_a_job_that_need_not_wait_has_no_phase_of_it(
    outcomes: ImageOutcomes, tmp_path: Path
) -> None:
    outcomes.write("a", IMAGE)
    step = StepRecord(job="job", testid="guest-create")
    assert image_for("job", prepared(), tmp_path, step) == IMAGE
    assert step.phases == []


def test_a_wait_is_a_phase_of_the_step(tmp_path: Path) -> None:
    step = StepRecord(job="job", testid="guest-create")
    with pytest.raises(LabError, match="controller"):
        image_for("job", prepared(), tmp_path, step)
    assert [phase.name for phase in step.phases] == [PHASE]


def test_a_broken_image_and_a_broken_flight_say_why(
    outcomes: ImageOutcomes, tmp_path: Path
) -> None:
    outcomes.write("a", PreparedImage(broken="the mirror is down"))
    step = StepRecord(job="job", testid="guest-create")
    with pytest.raises(LabError, match="the mirror is down"):
        image_for("job", prepared(), tmp_path, step)
    with pytest.raises(LabError, match="rack1 does not answer"):
        image_for("job", prepared(broken="rack1 does not answer"), tmp_path, step)
    with pytest.raises(LabError, match="no image is made for odd"):
        image_for("odd", prepared(), tmp_path, step)
