"""The summary at the end of a run, compared with what people should see."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_samples import (
    HOST,
    PV,
    PVH,
    STEPS,
    Flight,
    failed_flight,
    header,
    passed_flight,
    planned,
)
from rich.cells import cell_len
from rich.console import Console

from harness.report.summary import Summary, first_failure, summary_text
from harness.results.events import HostKnown, JobEnded, Problem, StepFinished
from harness.results.log import FlightLog
from harness.results.model import EvidenceResult, FlightResult, HostFacts, StepResult
from harness.status import Status

GOLDEN = Path(__file__).parents[1] / "data" / "report"
SHOWN = Path("reports/runs/f1")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def consoles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flights are shown by a relative path, as a user sees them, and have console logs there."""
    monkeypatch.chdir(tmp_path)
    for job in (PV, PVH):
        (SHOWN / "jobs" / job).mkdir(parents=True)
        (SHOWN / "jobs" / job / "console.log").write_bytes(b"")


def check(name: str, text: str) -> None:
    """Compare with the stored text; XENFLIGHT_UPDATE_GOLDEN=1 stores it anew, to be looked at."""
    if os.environ.get("XENFLIGHT_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text)
    assert text == (GOLDEN / name).read_text()


def coloured(result: FlightResult, width: int = 100) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system="standard")
    console.print(Summary(result, SHOWN))
    return out.getvalue()


def test_passing_flight(tmp_path: Path) -> None:
    check("summary-pass.txt", summary_text(passed_flight(tmp_path / "f1"), SHOWN))


def test_failing_flight(tmp_path: Path) -> None:
    check("summary-fail.txt", summary_text(failed_flight(tmp_path / "f1"), SHOWN))


def test_failing_flight_on_a_narrow_terminal(tmp_path: Path) -> None:
    text = summary_text(failed_flight(tmp_path / "f1"), SHOWN, width=60)
    check("summary-fail-narrow.txt", text)
    assert max(map(cell_len, text.split("\n"))) <= 60


def test_failing_flight_in_colour(tmp_path: Path) -> None:
    result = failed_flight(tmp_path / "f1")
    check("summary-fail-colour.txt", coloured(result))
    # Colours add nothing and hide nothing.
    lines = [line.rstrip() for line in COLOUR.sub("", coloured(result)).split("\n")]
    assert lines == summary_text(result, SHOWN).split("\n")


def test_killed_flight(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1", planned(PV), planned(PVH))
    flight.step(PV, "guest-create")
    flight.recorder.step_started(PV, "guest-boot")
    check("summary-killed.txt", summary_text(flight.recorder.result, SHOWN))


def test_flight_where_nothing_ran(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1", planned(PV, ()))
    text = summary_text(flight.recorder.finish(), SHOWN)
    assert "skip  boot-bookworm-amd64-pv-direct  0/0 steps" in text
    assert text.endswith("flight smoke: skip (exit code 3)\n")


def skipped(log: FlightLog, job: str, reason: str) -> None:
    """All steps of *job* are skipped for *reason*."""
    for testid in STEPS:
        step = StepResult(testid=testid, status=Status.SKIP, reason=reason)
        log.add(StepFinished(at=log.header.started, job=job, step=step))
    log.add(JobEnded(at=log.header.started, job=job))


def test_skipped_jobs_take_a_line_for_each_reason() -> None:
    names = [f"boot-bookworm-amd64-hvm-{number}" for number in range(40)]
    log = FlightLog(header(*map(planned, [PV, *names])))
    for name in names:
        skipped(log, name, "rack1: it runs no HVM guests")
    skipped(log, PV, "no such kernel")
    lines = summary_text(log.result(), SHOWN).splitlines()
    told = [line.split() for line in lines if line.startswith("skip")]
    assert told[0] == ["skip", "40", "jobs", *["rack1:", "it", "runs", "no", "HVM", "guests"]]
    assert told[1] == ["skip", PV, "no", "such", "kernel"]
    assert len(told) == 2
    assert "41 skip" in "".join(lines)


@pytest.mark.parametrize(
    ("taken", "told"),
    [
        ({"index": "jobs/j/evidence/index.json", "asked": 2, "had": 2}, "{}/jobs/j/evidence/"),
        (
            {"index": "jobs/j/evidence/index.json", "asked": 9, "had": 2, "note": "\x1b[2Jlost"},
            "{}/jobs/j/evidence/ (2 of 9; lost)",
        ),
        ({"note": "disk full"}, "disk full"),
    ],
)
def test_evidence_is_named(tmp_path: Path, taken: dict[str, object], told: str) -> None:
    flight = Flight(tmp_path / "f1")
    flight.step(PV, "guest-create", Status.FAIL, reason="no")
    flight.recorder.job_ended(PV, evidence=EvidenceResult.model_validate(taken))
    text = summary_text(flight.recorder.finish(), SHOWN, width=200)
    assert f"evidence: {told.format(SHOWN)}\n" in text


def test_job_that_was_kept_says_where(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    flight.step(PV, "guest-create", Status.FAIL, reason="no")
    flight.recorder.job_ended(PV, host="testbox", kept=True)
    text = summary_text(flight.recorder.finish(), SHOWN)
    assert "kept:    its domain and its disks are still on testbox" in text


def test_job_that_was_tried_again_says_why(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    flight.step(PV, "guest-create", Status.BROKEN, reason="the pool is full")
    flight.recorder.job_ended(PV, host="rack1")
    flight.recorder.job_retried(PV)
    flight.passing_job(PV)
    text = summary_text(flight.recorder.finish(), SHOWN, width=120)
    said = f"tried once more: {PV}, broken on rack1 at first: guest-create: the pool is full"
    assert said in text


def test_without_evidence_the_end_of_the_console_is_quoted(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    log = tmp_path / "f1" / "jobs" / PV / "console.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"first\r\n" + b"line\r\n" * 20 + b"\x1b[2Jlast words\r\n")
    flight.step(PV, "guest-create", Status.FAIL, reason="no")
    lines = summary_text(flight.recorder.finish(), tmp_path / "f1").split("\n")
    quoted = [line for line in lines if line.startswith("  | ")]
    assert quoted == [*["  | line"] * 14, "  | last words"]
    assert "  end of the console:" in lines


def test_job_that_never_had_a_console_names_no_log(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    flight.step(PV, "guest-create", Status.BROKEN, reason="no space")
    text = summary_text(flight.recorder.finish(), tmp_path / "f1")
    assert "reason: no space" in text
    assert "console" not in text


def test_first_failure_is_the_first_in_time_and_never_a_blocked_step(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1", planned(PV), planned(PVH))
    flight.step(PVH, "guest-create", Status.BLOCKED)
    flight.step(PVH, "guest-boot", Status.BROKEN)
    flight.step(PV, "guest-create", Status.FAIL)
    found = first_failure(flight.recorder.finish())
    assert found is not None
    assert (found[0].name, found[1].testid) == (PVH, "guest-boot")


def test_no_failure_no_culprit(tmp_path: Path) -> None:
    assert first_failure(passed_flight(tmp_path / "f1")) is None


def test_strange_names_are_quoted_in_the_command(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    flight.step(PV, "guest-create", Status.FAIL)
    result = flight.recorder.finish().model_copy(update={"flight": "my flight; true"})
    text = summary_text(result, SHOWN, program="xenflight", width=120)
    assert f"xenflight run 'my flight; true' --only {PV} --keep on-failure" in text


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("xenflight run smoke --host rack1 -n 2", "smoke --only {} --host rack1 --keep"),
        ("xenflight run smoke --host=a,b", "smoke --only {} --host a,b --keep"),
        ("xenflight run smoke --host a --host b", "smoke --only {} --host a,b --keep"),
        ("xenflight run smoke --host 'a; b'", "smoke --only {} --host 'a; b' --keep"),
        ("pytest suites --flight my/smoke.yaml", "my/smoke.yaml --only {} --keep"),
        ("xenflight run other.yaml --host", "smoke --only {} --keep"),
        ("xenflight upgrade --from rack1 --to rack2", "smoke --only {} --host box --keep"),
        ("xenflight run 'no end", "smoke --only {} --keep"),
    ],
)
def test_the_command_names_what_was_named(command: str, expected: str, tmp_path: Path) -> None:
    flight = Flight(tmp_path / "f1")
    flight.step(PV, "guest-create", Status.FAIL)
    hosts = (HostFacts(name="box", kind="ssh"), HostFacts(name="other", kind="ssh"))
    result = flight.recorder.finish().model_copy(update={"command": command, "hosts": hosts})
    text = summary_text(result, SHOWN, program="xenflight", width=120)
    assert f"xenflight run {expected.format(PV)} on-failure" in text


hostile = st.text() | st.sampled_from(
    [
        "\x1b[2J\x1b]0;owned\x07\x9b31m",
        "[bold red]x[/bold red][/nothing]",
        "[link=http://evil]x[/link]",
        "漢字" * 80,
        "a\nb\r\nc\u2028d\u202ee",
        ":smile: \\[x] \\",
    ]
)


@given(hostile, hostile, hostile, st.integers(min_value=20, max_value=120))
def test_guest_bytes_reach_the_terminal_only_as_text(
    one: str, two: str, three: str, width: int
) -> None:
    log = FlightLog(header())
    at = log.header.started
    step = StepResult(
        testid=STEPS[0],
        status=Status.FAIL,
        reason=one,
        failure_class=two,
        phase=three,
        evidence="\n".join((one, two, three)),
    )
    host = HOST.model_copy(update={"xen_version": two, "dom0_kernel": one})
    log.add(HostKnown(at=at, host=host))
    log.add(StepFinished(at=at, job=PV, step=step))
    log.add(JobEnded(at=at, job=PV, waits={three: 1.0}))
    log.add(Problem(at=at, text=two))
    result = log.result()
    shown = COLOUR.sub("", coloured(result, width))
    assert not set(shown) & set(map(chr, [*range(10), *range(11, 32), *range(127, 160), 0x202E]))
    for line in summary_text(result, SHOWN, width=width).split("\n"):
        assert cell_len(line) <= width


def test_markup_from_a_guest_stays_text(tmp_path: Path) -> None:
    text = coloured(failed_flight(tmp_path / "f1"), width=200)
    assert "[bold]and a line" in text
    assert "[red]open[/red]" in text
    assert "owned" not in text
