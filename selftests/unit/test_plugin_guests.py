"""The guests of one process: whose fault it was when one is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import GuestFailure, LabError
from harness.flight.axes import Keep
from harness.job.fake import FakeGuests, FakeLab
from harness.job.outcomes import ImageOutcomes
from harness.job.prepared import Prepared, PreparedImage
from harness.plugin.guests import Guests
from harness.results.layout import FlightDirectory
from harness.steps import StepRecord

JOB = "boot-x"
HOST = "rack1"


@pytest.fixture
def lab(tmp_path: Path) -> FakeLab:
    files = FlightDirectory(tmp_path / "flight")
    files.path.mkdir()
    Prepared(flight_id="f-1", fits={JOB: (HOST,)}, images={JOB: JOB}).write(files.path)
    ImageOutcomes(files.path).write(JOB, HOST, PreparedImage())
    return FakeLab(log=tmp_path / "log")


def guests(lab: FakeLab, tmp_path: Path) -> Guests:
    return Guests(FakeGuests(lab, FlightDirectory(tmp_path / "flight"), HOST), Keep.NEVER)


def test_what_was_the_labs_while_there_was_a_guest(lab: FakeLab, tmp_path: Path) -> None:
    found = guests(lab, tmp_path)
    found.get(StepRecord(job=JOB, testid="guest-create"))
    found.blame(JOB, LabError("lvcreate: no"))
    found.blame(JOB, LabError("a second one"))
    found.tear_down(JOB, failed=True)
    assert lab.said[-2:] == [f"remove {JOB}", f"suspect {JOB} lvcreate: no"]


@pytest.mark.parametrize("error", [GuestFailure("panic"), ZeroDivisionError("a bug")])
def test_what_was_not(lab: FakeLab, tmp_path: Path, error: Exception) -> None:
    found = guests(lab, tmp_path)
    found.get(StepRecord(job=JOB, testid="guest-create"))
    found.blame(JOB, error)
    found.tear_down(JOB, failed=True)
    assert lab.said[-1] == f"remove {JOB}"


def test_without_a_guest_the_host_is_not_to_blame(lab: FakeLab, tmp_path: Path) -> None:
    found = guests(lab, tmp_path)
    found.blame(JOB, LabError("the mirror is down"))
    found.tear_down(JOB, failed=True)
    assert lab.said == []


def test_a_guest_that_would_not_go(tmp_path: Path, lab: FakeLab) -> None:
    stuck = FakeLab(log=lab.log, stuck={JOB: "LV in use"})
    found = guests(stuck, tmp_path)
    found.get(StepRecord(job=JOB, testid="guest-create"))
    with pytest.raises(LabError, match="LV in use"):
        found.tear_down(JOB, failed=False)
    assert stuck.said[-1] == f"suspect {JOB} LV in use"


def test_after_an_interrupt_nobody_is_asked(lab: FakeLab, tmp_path: Path) -> None:
    found = guests(lab, tmp_path)
    found.get(StepRecord(job=JOB, testid="guest-create"))
    found.blame(JOB, LabError("lost"))
    found.close()
    assert lab.said[-1] == f"remove {JOB}"
