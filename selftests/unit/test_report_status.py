"""How far a flight is, in a few lines."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from results_samples import PV, PVH, STEPS, Flight, planned

from harness.cli import main
from harness.report.running import look_at
from harness.report.status import status_lines
from harness.results.load import recover_results
from harness.status import Status


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    found = tmp_path / "reports" / "runs"
    found.mkdir(parents=True)
    return found


def begun(runs: Path, name: str = "smoke-1") -> Flight:
    """One job whose second step runs, one that failed, and a problem."""
    flight = Flight(runs / name, planned(PV), planned(PVH))
    flight.step(PV, "guest-create")
    flight.recorder.step_started(PV, "guest-boot")
    flight.step(PVH, "guest-create", Status.FAIL, reason="no\x1b[31m room\nat all")
    for testid in STEPS[1:]:
        flight.step(PVH, testid, Status.BLOCKED, reason="guest-create was fail")
    flight.recorder.job_ended(PVH)
    return flight


def test_a_flight_that_runs(runs: Path) -> None:
    flight = begun(runs)
    flight.recorder.problem("the mirror is slow")
    result = recover_results(runs / "smoke-1")
    now = result.started + timedelta(seconds=70)
    head, doing, bad, lab = status_lines(result, now=now, heard=now)
    assert head == "smoke-1: running for 1 m 10 s, 8 of 14 steps, 1 of 2 jobs over (1 fail)"
    assert doing == f"  {PV}: guest-boot for 1 m 08 s"
    assert bad.startswith(f"  {PVH}: guest-create fail: no")
    assert "\x1b" not in bad
    assert lab == "  the lab: the mirror is slow"


def test_one_that_says_nothing_is_told_to(runs: Path) -> None:
    begun(runs)
    result = recover_results(runs / "smoke-1")
    now = result.started + timedelta(minutes=10)
    head, *_ = status_lines(result, now=now, heard=now - timedelta(minutes=5))
    assert head.endswith(", silent for 5 m 00 s")


def test_one_that_has_ended(runs: Path) -> None:
    flight = begun(runs)
    flight.recorder.finish()
    result = recover_results(runs / "smoke-1")
    (line,) = status_lines(result, now=result.started)
    assert line.startswith("smoke-1: ended with ")
    assert line.endswith("; 1 aborted, 1 fail")


def test_one_is_running_while_it_writes(runs: Path) -> None:
    begun(runs)
    now = datetime.now(UTC)
    (look,) = look_at([runs / "smoke-1", runs / "nothing"], now)
    assert look.running
    assert look.data["doing"][0]["testid"] == "guest-boot"
    (look,) = look_at([runs / "smoke-1"], now + timedelta(hours=1))
    assert not look.running


class TestVerb:
    """`xenflight status`."""

    def test_nothing_here(self, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["status"]) == 0
        assert "no flight has run here" in capsys.readouterr().out
        assert main(["status", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == []

    def test_what_runs_is_shown_and_not_what_has_ended(
        self, runs: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        begun(runs, "smoke-old").recorder.finish()
        os.utime(runs / "smoke-old", (1, 1))
        begun(runs, "smoke-new")
        assert main(["status"]) == 0
        said = capsys.readouterr().out
        assert "smoke-new: running" in said
        assert "smoke-old" not in said
        assert main(["status", "smoke-old"]) == 0
        assert "smoke-old: ended" in capsys.readouterr().out

    def test_watching_ends_with_the_flight(
        self, runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flight = begun(runs)
        looks = iter((lambda: None, flight.recorder.finish))
        monkeypatch.setattr("harness.wait.SYSTEM_CLOCK.sleep", lambda _: next(looks)())
        assert main(["status", "--watch"]) == 0
        said = capsys.readouterr().out
        assert said.count("guest-create fail") == 1, "a line that stays is said once"
        assert said.splitlines()[-1].startswith("smoke-1: ended")

    def test_no_such_flight(self, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
        begun(runs)
        assert main(["status", "smoke-2"]) == 2
        assert "did you mean" in capsys.readouterr().err
