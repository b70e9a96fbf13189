"""What a flight leaves to read."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET

import pytest

from harness.flight.plan import from_json
from harness.status import Status
from plugin.project import PV, PVH, Project
from plugin.test_statuses import BUG, ONE, suite_with


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_all_reports_are_written(project: Project, workers: tuple[str, ...]) -> None:
    project.suite(suite_with("assert '-pvh-' in guest.step.job, 'this is PV'"))
    project.run(*workers)
    files = {path.name for path in project.flight_directory.iterdir()}
    assert files >= {"results.json", "junit.xml", "allure", "events.jsonl", "plan.json"}
    cases = ET.parse(project.flight_directory / "junit.xml").getroot().iter("testcase")
    # Two jobs of three steps and a leak check, and the flight's leak check.
    assert len(list(cases)) == 2 * (3 + 1) + 1
    allure = [
        json.loads(path.read_text())
        for path in (project.flight_directory / "allure").glob("*-result.json")
    ]
    assert sorted(one["status"] for one in allure) == ["failed", *7 * ["passed"], "skipped"]
    plan = from_json((project.flight_directory / "plan.json").read_text())
    assert plan.flight_id == project.results["flight_id"]
    assert [job["name"] for job in project.results["jobs"]] == [PV, PVH]


LEAK = """
    from harness.secret import Secret
    word = "".join(["f00dface", "cafe0002"])
    Secret(word)
    print("printed", word)
    guest.step.facts["remark"] = word
    try:
        raise ValueError(word)
    except ValueError as error:
        raise {} from error
"""


SPOKEN = (
    "GuestFailure(f'it said {word}', phase='login', evidence=f'login: {word}')",
    "LabError(f'`chpasswd {word}` failed')",
    "RuntimeError(word)",
    "AssertionError(f'{word} is no prompt')",
    "ExceptionGroup('two', [AssertionError(word), LabError(word)])",
)


@pytest.mark.parametrize(
    ("error", "workers"),
    # Workers take their time; what they report is words by then, whatever was raised.
    [*((error, ()) for error in SPOKEN), (SPOKEN[0], ("-n", "2")), (SPOKEN[-1], ("-n", "2"))],
)
def test_no_report_shows_a_secret(project: Project, error: str, workers: tuple[str, ...]) -> None:
    project.suite(suite_with(LEAK.format(error).strip().replace("\n    ", "\n    ")))
    result = project.run(*workers, "-rA")
    for file in project.flight_directory.rglob("*"):
        if file.is_file():
            assert b"f00dfacecafe0002" not in file.read_bytes(), file
    assert "f00dfacecafe0002" not in f"{result.stdout}{result.stderr}"
    assert "[secret]" in (project.flight_directory / "results.json").read_text()


def test_latest_points_to_the_newest(project: Project) -> None:
    project.run(*ONE)
    first = project.results["flight_id"]
    project.run(*ONE)
    assert project.results["flight_id"] != first
    assert project.flight_directory.resolve().name == project.results["flight_id"]
    assert len(list(project.flight_directory.parent.iterdir())) == 3


def test_plain_pytest_ends_with_the_summary(project: Project) -> None:
    project.suite(suite_with("raise LabError('the pool is full')"))
    result = project.run(*ONE)
    result.stdout.fnmatch_lines(
        [
            "xenflight: preparing the fake lab",
            "*= flight =*",
            f"broken*{PV}*2/4 steps*",
            f"broken: guest-boot of {PV}",
            "*the pool is full*",
            "flight smoke: broken (exit code 4)",
        ]
    )


def test_the_command_is_written_down(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XENFLIGHT_COMMAND", "./xenflight")
    monkeypatch.setattr("sys.argv", ["whatever", "run", "smoke", "--only", "*-pv-*"])
    project.run(*ONE)
    assert project.results["command"] == "./xenflight run smoke --only '*-pv-*'"


def test_results_that_cannot_be_written(project: Project) -> None:
    project.write("reports", "a file where the directory should be")
    result = project.run()
    assert result.ret == 4
    said = str(result.stdout) + str(result.stderr)
    assert f"cannot record the flight in {project.path}/reports/runs/" in said
    assert "INTERNALERROR" not in said
    assert project.did == []


def test_results_that_can_no_longer_be_written(project: Project) -> None:
    """The lab is left clean, whatever becomes of the results."""
    project.suite(
        """
        from pathlib import Path
        def test_guest_boot(guest):
            events = Path("reports/runs/latest/events.jsonl")
            events.unlink()
            events.mkdir()
        """
    )
    result = project.run(*ONE)
    assert result.ret == 4
    result.stdout.fnmatch_lines(["*broken: cannot record the flight in *"])
    assert project.did[-3:] == [f"remove {PV}", "sweep", "close"]


def test_the_same_plan_is_not_run_twice(project: Project) -> None:
    project.run(*ONE)
    plan = project.flight_directory.resolve() / "plan.json"
    result = project.call("suites", "--plan", str(plan))
    assert result.ret == 4
    assert "is there already; nothing was overwritten" in str(result.stdout)


class TestLaunch:
    """`xenflight run`: no pytest to be seen, and our exit codes."""

    @pytest.fixture
    def run(self, project: Project) -> Run:
        return Run(project)

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ("pass", 0),
            ("pytest.skip('no')", 0),
            ("raise LabError('x')", 4),
            ("assert 0", 5),
            ("raise Starved('x')", 6),
            ("raise KeyboardInterrupt", 130),
        ],
    )
    def test_exit_codes_are_ours(self, run: Run, body: str, code: int) -> None:
        run.project.suite(suite_with(body))
        assert run(*ONE) == code

    def test_nothing_run_is_3(self, run: Run) -> None:
        run.project.suite("import pytest\ndef test_guest_boot(guest): pytest.skip('no')\n")
        assert run(*ONE) == 3

    def test_a_bad_suite_is_2_and_said(self, run: Run) -> None:
        run.project.suite("import nothing_of_that_name\n")
        assert run(*ONE) == 2
        assert "No module named 'nothing_of_that_name'" in run.said

    def test_unwritable_results_are_4_and_said(self, run: Run) -> None:
        run.project.write("reports", "a file")
        assert run(*ONE) == 4
        assert "cannot record the flight" in run.said
        assert "Traceback" not in run.said

    def test_a_bug_is_1_and_said(self, run: Run) -> None:
        conftest = run.project.path / "conftest.py"
        conftest.write_text(conftest.read_text() + BUG)
        assert run(*ONE) == 1
        assert "RuntimeError: a bug" in run.said

    def test_it_shows_the_steps_and_the_summary_and_no_pytest(self, run: Run) -> None:
        assert run("-n", "1") == 0
        assert f"{PV} guest-boot pass" in run.said
        assert "preparing the fake lab" in run.said
        assert "flight smoke: pass (exit code 0)" in run.said
        assert "test session starts" not in run.said
        assert run.project.steps(PVH)["guest-gone"] is Status.PASS

    def test_with_workers(self, run: Run) -> None:
        run.project.suite(suite_with("assert '-pvh-' in guest.step.job"))
        assert run() == 5
        assert "created: 2/2 workers" not in run.said
        assert run.project.job(PVH)["status"] == "pass"


class Run:
    """``xenflight run smoke`` in the project's directory, as a user does it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.said = ""

    def __call__(self, *arguments: str) -> int:
        command = (sys.executable, "-m", "harness.cli", "run", "smoke", *arguments)
        result = self.project.pytester.run(*command, timeout=60)
        self.said = str(result.stdout) + str(result.stderr)
        return int(result.ret)
