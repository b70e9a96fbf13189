"""Leak checks as people and CI systems see them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from results_samples import PV, PVH, STEPS, Flight, planned
from rich.console import Console

from harness.report.allure.write import write_allure
from harness.report.junit import junit_xml
from harness.report.leaks import MOST_REMARKS, QUOTED_LINES
from harness.report.live import LiveView
from harness.report.summary import first_failure, summary_text, why_skipped
from harness.results.model import FlightResult, StepResult
from harness.status import Status
from harness.steps import LEAK_CHECK

ALL = (*STEPS, LEAK_CHECK)
DIFF = "left behind, ours:\n  + LV spare (xenflight)\n  + file /tmp/\x1b]0;owned\x07x\n"
PASSED = StepResult(testid=LEAK_CHECK, status=Status.PASS)
LEAKED = StepResult(
    testid=LEAK_CHECK,
    status=Status.BROKEN,
    reason="left on rack1 by this job: LV spare",
    failure_class="leak",
    duration=2.0,
    evidence=DIFF,
)
KEPT = PASSED.model_copy(update={"reason": "kept for its operator: domain x", "evidence": "kept"})


def flight(directory: Path, pv: StepResult, pvh: StepResult, all_of_it: StepResult) -> FlightResult:
    made = Flight(directory, planned(PV, ALL), planned(PVH, ALL))
    made.passing_job(PV)
    made.recorder.step_finished(PV, pv)
    made.failing_job(PVH)
    made.recorder.step_finished(PVH, pvh)
    made.recorder.flight_checked(all_of_it)
    return made.recorder.finish()


def shown(result: FlightResult) -> list[str]:
    return summary_text(result, Path("reports/runs/f1")).splitlines()


class TestSummary:
    """On the terminal."""

    def test_a_leak_stands_by_itself_with_what_was_found(self, tmp_path: Path) -> None:
        result = flight(tmp_path / "f1", LEAKED, PASSED, PASSED)
        lines = shown(result)
        at = lines.index(f"broken: {LEAK_CHECK} of {PV}: left on rack1 by this job: LV spare")
        assert lines[at + 1 : at + 4] == [
            "  | left behind, ours:",
            "  |   + LV spare (xenflight)",
            "  |   + file /tmp/x",
        ]
        found = first_failure(result)
        assert found
        assert found[0].name == PVH, "what a guest did is told first, though the leak was earlier"
        assert "  left there:   nothing of ours" in lines

    def test_a_leak_of_the_flight_is_told_once(self, tmp_path: Path) -> None:
        lines = shown(flight(tmp_path / "f1", PASSED, PASSED, LEAKED))
        assert [line for line in lines if "LV spare" in line and not line.startswith("  |")] == [
            f"broken: {LEAK_CHECK} of flight smoke: left on rack1 by this job: LV spare"
        ]
        assert not [line for line in lines if "left there" in line]

    def test_a_long_diff_is_cut(self, tmp_path: Path) -> None:
        long = LEAKED.model_copy(update={"evidence": "\n".join(map(str, range(100)))})
        lines = shown(flight(tmp_path / "f1", long, PASSED, PASSED))
        assert f"  | {QUOTED_LINES - 1}" in lines
        assert f"  | {QUOTED_LINES}" not in lines
        assert f"  | and {100 - QUOTED_LINES} lines more, in results.json" in lines

    def test_what_is_kept_is_told_though_it_passed(self, tmp_path: Path) -> None:
        lines = shown(flight(tmp_path / "f1", KEPT, PASSED, KEPT))
        assert f"pass: {LEAK_CHECK} of {PV}: kept for its operator: domain x" in lines
        assert "  left there:   nothing of ours; kept for its operator: domain x" in lines
        assert not [line for line in lines if "| kept" in line]

    def test_many_remarks_are_counted(self, tmp_path: Path) -> None:
        names = [f"boot-bookworm-amd64-pv-direct{n}" for n in range(MOST_REMARKS + 3)]
        made = Flight(tmp_path / "f1", *(planned(name, ALL) for name in names))
        for name in names:
            made.passing_job(name)
            made.recorder.step_finished(name, KEPT)
        lines = shown(made.recorder.finish())
        assert f"and 3 more jobs whose {LEAK_CHECK} has a remark" in lines

    def test_a_job_of_which_nothing_ran_is_still_one(self, tmp_path: Path) -> None:
        made = Flight(tmp_path / "f1", planned(PV, ALL))
        for testid in STEPS:
            made.step(PV, testid, Status.SKIP, reason="not today")
        made.recorder.step_finished(PV, PASSED)
        (job,) = made.recorder.finish().jobs
        assert why_skipped(job) == "not today"


def test_junit_has_a_case_for_each(tmp_path: Path) -> None:
    root = ElementTree.fromstring(junit_xml(flight(tmp_path / "f1", LEAKED, KEPT, LEAKED)).encode())
    cases = {
        (case.attrib["classname"], case.attrib["name"]): case for case in root.iter("testcase")
    }
    error = cases[f"smoke.{PV}", LEAK_CHECK].find("error")
    assert error is not None
    assert error.attrib == {"type": "leak", "message": LEAKED.reason}
    assert "+ file /tmp/x" in (error.text or "")
    told = cases[f"smoke.{PVH}", LEAK_CHECK].find("system-out")
    assert told is not None
    assert told.text == "kept"
    assert cases["smoke.flight", LEAK_CHECK].find("error") is not None
    assert root.attrib["errors"] == "2"


@pytest.mark.parametrize(
    ("step", "status"),
    [
        (PASSED, "passed"),
        (KEPT, "passed"),
        (LEAKED, "broken"),
        (StepResult(testid=LEAK_CHECK, status=Status.BLOCKED, reason="no guest"), "skipped"),
    ],
)
def test_allure_has_a_result_for_each(tmp_path: Path, step: StepResult, status: str) -> None:
    write_allure(flight(tmp_path / "f1", step, PASSED, PASSED), tmp_path / "allure")
    found = leak_checks(tmp_path / "allure")
    assert set(found) == {f"{LEAK_CHECK}[{name}]" for name in (PV, PVH, "smoke")}
    mine = found[f"{LEAK_CHECK}[{PV}]"]
    assert mine["status"] == status
    assert {"name": "suite", "value": PV} in mine["labels"]
    assert ("statusDetails" in mine) is bool(step.reason)
    if step is LEAKED:
        assert mine["statusDetails"]["message"] == f"broken: {step.reason}"
        assert "\x1b" not in mine["statusDetails"]["trace"]
        assert mine["stop"] - mine["start"] == 2000
    history = {name: one["historyId"] for name, one in found.items()}
    assert len(set(history.values())) == 3
    write_allure(flight(tmp_path / "f2", step, PASSED, PASSED), tmp_path / "again")
    again = leak_checks(tmp_path / "again")
    assert {name: one["historyId"] for name, one in again.items()} == history, (
        "by which Allure knows it again"
    )


def leak_checks(directory: Path) -> dict[str, dict[str, Any]]:
    files = [json.loads(file.read_text()) for file in directory.glob("*-result.json")]
    return {one["name"]: one for one in files if one["name"].startswith(LEAK_CHECK)}


class TestLive:
    """While it runs."""

    def view(self) -> LiveView:
        self.out = io.StringIO()
        return LiveView(Console(file=self.out, width=100), {PV: ("guest-boot", LEAK_CHECK)})

    def finish(self, view: LiveView, boot: Status, leak: StepResult) -> str:
        view.step_started(PV, "guest-boot")
        view.step_finished(PV, StepResult(testid="guest-boot", status=boot))
        view.step_finished(PV, leak)
        console = Console(file=io.StringIO(), width=100)
        console.print(view.render())
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    @pytest.mark.parametrize(
        ("boot", "leak", "word"),
        [
            (Status.PASS, PASSED, "pass"),
            (Status.PASS, LEAKED, "broken"),
            (Status.FAIL, PASSED, "fail"),
            (Status.SKIP, PASSED, "skip"),
        ],
    )
    def test_the_word_of_a_job(self, boot: Status, leak: StepResult, word: str) -> None:
        with self.view() as view:
            table = self.finish(view, boot, leak)
        assert f"●●  {word}" in table
        assert f"{PV} {LEAK_CHECK} {leak.status} in" in self.out.getvalue()
