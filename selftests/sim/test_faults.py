"""Every row of docs/faults.md, by a flight on a simulated host."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from harness.flight.faults import FaultKind
from harness.sim.state import HostState
from sim.faultspage import NEXT, NOTHING, SWEPT, Row, rows, shown_elsewhere
from sim.project import JOB, ROOT, SimProject, culprit

STATUSES = {"pass", "fail", "broken", "blocked", "starved", "skip", "aborted"}
LIFE = "lifecycle"
JOBS = {"smoke": JOB, LIFE: "lifecycle-bookworm-amd64-pvh-direct"}
"""The job of each flight that is looked at."""
ARGUMENTS = {"smoke": (), LIFE: ("--only", JOBS[LIFE], "--rounds", "1")}
WAITS = {"waiting for a slot": "slot", "waiting for memory": "admission"}
"""What only the live view shows, while it lasts; and the phase in which it does."""


@pytest.mark.parametrize("row", rows(), ids=str)
def test_a_fault_becomes_what_the_page_says(project: SimProject, row: Row) -> None:
    begin(project, row)
    before = project.states()
    result = project.run(*ARGUMENTS[row.flight], flight=row.flight)
    said = str(result.stdout) + str(result.stderr)
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    # Or it proves nothing.
    assert row.kinds <= set(project.host.faults.struck)
    assert_verdict(project, row, int(result.ret))
    assert_seen(project, row, said)
    assert_left(project, row, before)


def begin(project: SimProject, row: Row) -> None:
    project.hosts(*row.faults, count=row.count, settings=row.settings)
    if row.flight == LIFE:
        shutil.copy(ROOT / "flights" / "lifecycle.yaml", project.path / "flights")
    if row.known_good:
        with project.host.faults.held_back():
            assert int(project.run().ret) == 0


def assert_verdict(project: SimProject, row: Row, returned: int) -> None:
    attempts = project.attempts(JOBS[row.flight])
    first, *others = attempts
    bad = culprit(first)
    assert returned == row.exit_code, bad
    assert [one["status"] for one in others] == ([row.again] if row.again else [])
    assert {step["status"] for one in attempts for step in one["steps"]} <= STATUSES
    if row.status == "pass":
        assert bad is None
        assert first["status"] == "pass"
        return
    assert bad is not None
    found = (bad["testid"], bad["status"], bad["failure_class"] or "")
    assert found == (row.step, row.status, row.failure_class), bad["reason"]
    assert first["status"] == row.status


def assert_seen(project: SimProject, row: Row, said: str) -> None:
    attempts, results = project.attempts(JOBS[row.flight]), project.results
    steps = [step for one in attempts for step in one["steps"]]
    texts = [step["reason"] or "" for step in steps] + [step["evidence"] for step in steps]
    texts += results["problems"]
    texts += [one["evidence"]["note"] for one in attempts if one["evidence"]]
    texts += [host["unusable"] or "" for host in results["hosts"]]
    texts += [results["leak_check"]["reason"] or ""] if results["leak_check"] else []
    shown = "\n".join([*texts, said])
    phases = {phase["name"] for step in steps for phase in step["phases"]}
    waited = {words for words, phase in WAITS.items() if phase in phases}
    assert [one for one in row.phrases if one not in shown and one not in waited] == []


def assert_left(project: SimProject, row: Row, before: dict[str, HostState]) -> None:
    left, problems = project.more_than(before), project.results["problems"]
    swept = [text for text in problems if "left behind by this flight, and removed" in text]
    assert bool(swept) == (row.left == SWEPT)
    assert bool(left) == (row.left == NEXT)
    assert_told(project.results, left)
    if left:
        project.recover()
        assert int(project.run().ret) == 0
        assert not project.more_than(before)


def assert_told(results: dict[str, Any], left: dict[str, dict[str, list[str]]]) -> None:
    """Whatever is left the leak check tells of, or that nobody could look."""
    check, problems = results["leak_check"], "\n".join(results["problems"])
    said = f"{check['reason']}\n{check['evidence']}" if check else ""
    unknown = "not made" in said or "nobody knows what was there before" in said
    if not left:
        assert check is None or check["status"] == "pass" or unknown
        return
    assert problems
    kinds = [found for host in left.values() for found in host.items()]
    names = [name for kind, found in kinds if kind in ("domains", "volumes") for name in found]
    assert unknown or [name for name in names if name not in said + problems] == []
    assert not names or check["status"] == "broken"


def test_every_kind_of_fault_has_a_row() -> None:
    assert {kind for row in rows() for kind in row.kinds} == set(FaultKind)
    assert len(rows()) >= 100


def test_left_is_one_of_three_words() -> None:
    assert {row.left for row in rows()} == {NOTHING, SWEPT, NEXT}


def test_what_only_a_real_host_shows_is_shown_there() -> None:
    tests = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("xen", "contract")
        for path in sorted((ROOT / "selftests" / folder).glob("test_*.py"))
    )
    named = shown_elsewhere()
    assert len(named) >= 5
    assert [name for name in named if f"def {name}(" not in tests] == []


def test_a_fault_that_never_strikes_is_noticed(project: SimProject) -> None:
    """The test above could not fail otherwise."""
    project.hosts("{kind: kernel-panic, job: other-*}")
    assert int(project.run().ret) == 0
    assert not project.host.faults.struck
