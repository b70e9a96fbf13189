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
            outcomes.write(name, "rack1", IMAGE)


@pytest.fixture
def outcomes(tmp_path: Path) -> ImageOutcomes:
    return ImageOutcomes(tmp_path)


def test_an_outcome_is_there_for_all_processes(outcomes: ImageOutcomes, tmp_path: Path) -> None:
    assert outcomes.find("a", "rack1") is None
    outcomes.write("a", "rack1", IMAGE)
    assert ImageOutcomes(tmp_path).find("a", "rack1") == IMAGE
    assert outcomes.find("a", "rack2") is None


def test_one_that_comes_late_is_waited_for(outcomes: ImageOutcomes) -> None:
    clock = Clock(then={60.0: (outcomes, "a")})
    assert outcomes.wait("a", ["rack1"], os.getpid(), clock) == {"rack1": IMAGE}
    assert 60 <= clock.now < 61


def test_the_wait_has_an_end(outcomes: ImageOutcomes) -> None:
    clock = Clock()
    with pytest.raises(DeadlineExceeded, match="image a"):
        outcomes.wait("a", ["rack1"], os.getpid(), clock)
    assert clock.now == pytest.approx(PATIENCE.total_seconds(), abs=1)


def test_it_starts_anew_with_every_other_image_that_becomes_ready(outcomes: ImageOutcomes) -> None:
    once = PATIENCE.total_seconds()
    clock = Clock(then={0.9 * once: (outcomes, "b"), 1.8 * once: (outcomes, "a")})
    assert outcomes.wait("a", ["rack1"], os.getpid(), clock) == {"rack1": IMAGE}


def test_a_controller_that_is_gone_ends_it_at_once(outcomes: ImageOutcomes) -> None:
    clock = Clock()
    with pytest.raises(LabError, match="controller ended"):
        outcomes.wait("a", ["rack1"], NOBODY, clock)
    assert clock.now == 0


def test_what_it_had_ready_by_then_counts(outcomes: ImageOutcomes) -> None:
    outcomes.write("a", "rack1", IMAGE)
    assert outcomes.wait("a", ["rack1"], NOBODY, Clock()) == {"rack1": IMAGE}


def test_a_damaged_file_is_said(outcomes: ImageOutcomes, tmp_path: Path) -> None:
    (tmp_path / OUTCOMES).mkdir()
    (tmp_path / OUTCOMES / "a@rack1.json").write_text("{")
    with pytest.raises(LabError, match=r"a@rack1\.json"):
        outcomes.find("a", "rack1")


def prepared(*hosts: str, broken: str = "") -> Prepared:
    return Prepared(
        flight_id="f",
        fits=dict.fromkeys(("job", "odd"), hosts or ("rack1",)),
        images={"job": "a"},
        controller=NOBODY,
        broken=broken,
    )


def test_a_job_that_need_not_wait_has_no_phase_of_it(
    outcomes: ImageOutcomes, tmp_path: Path
) -> None:
    outcomes.write("a", "rack1", IMAGE)
    step = StepRecord(job="job", testid="guest-create")
    assert image_for("job", prepared(), tmp_path, step) == {"rack1": IMAGE}
    assert step.phases == []


def test_a_wait_is_a_phase_of_the_step(tmp_path: Path) -> None:
    step = StepRecord(job="job", testid="guest-create")
    with pytest.raises(LabError, match="controller"):
        image_for("job", prepared(), tmp_path, step)
    assert [phase.name for phase in step.phases] == [PHASE]


def test_a_broken_image_and_a_broken_flight_say_why(
    outcomes: ImageOutcomes, tmp_path: Path
) -> None:
    outcomes.write("a", "rack1", PreparedImage(broken="the mirror is down"))
    step = StepRecord(job="job", testid="guest-create")
    with pytest.raises(LabError, match="the mirror is down"):
        image_for("job", prepared(), tmp_path, step)
    with pytest.raises(LabError, match="rack1 does not answer"):
        image_for("job", prepared(broken="rack1 does not answer"), tmp_path, step)
    with pytest.raises(LabError, match="no image is made for odd"):
        image_for("odd", prepared(), tmp_path, step)


def test_one_host_that_has_it_is_enough(outcomes: ImageOutcomes, tmp_path: Path) -> None:
    outcomes.write("a", "rack2", IMAGE)
    outcomes.write("a", "rack3", PreparedImage(broken="its pool is full"))
    step = StepRecord(job="job", testid="guest-create")
    ready = prepared("rack1", "rack2", "rack3")
    assert image_for("job", ready, tmp_path, step) == {"rack2": IMAGE}


def test_when_none_will_have_it_each_reason_is_said_once(
    outcomes: ImageOutcomes, tmp_path: Path
) -> None:
    for host, why in (("rack1", "no mirror"), ("rack2", "no mirror"), ("rack3", "full")):
        outcomes.write("a", host, PreparedImage(broken=why))
    step = StepRecord(job="job", testid="guest-create")
    with pytest.raises(LabError, match=r"^no mirror; full$"):
        image_for("job", prepared("rack1", "rack2", "rack3"), tmp_path, step)


def test_while_one_may_still_get_it_the_broken_ones_are_no_reason_to_give_up(
    outcomes: ImageOutcomes,
) -> None:
    outcomes.write("a", "rack2", PreparedImage(broken="its pool is full"))
    clock = Clock(then={60.0: (outcomes, "a")})
    found = outcomes.wait("a", ["rack1", "rack2"], os.getpid(), clock)
    assert (found, round(clock.now)) == ({"rack1": IMAGE}, 60)
