"""``xenflight run --until-first-failure``, as a user gives it."""

from __future__ import annotations

import json
import sys

import pytest

from plugin.project import PV, Project

SUITE = """
from pathlib import Path

def test_guest_create(guest):
    seen = Path({seen!r})
    times = len(seen.read_text()) + 1 if seen.exists() else 1
    seen.write_text("x" * times)
    guest.note(f"flight {{times}}")
    assert times != 3, "the third time it dies"
"""


@pytest.fixture(autouse=True)
def _own_store(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XENFLIGHT_STORE", str(project.path / "history.db"))


def cli(project: Project, *words: str) -> pytest.RunResult:
    command = (sys.executable, "-m", "harness.cli", *words)
    return project.pytester.run(*command, timeout=120)


def repeat(project: Project, *words: str) -> pytest.RunResult:
    project.suite(SUITE.format(seen=str(project.path / "seen")))
    return cli(project, "run", "smoke", "--only", "*-pv-*", "--until-first-failure", *words)


def test_each_time_is_a_flight_of_its_own_and_the_failing_one_is_the_last(
    project: Project,
) -> None:
    result = repeat(project, "--times", "5")
    assert result.ret == 5
    runs = sorted(path for path in (project.path / "reports/runs").iterdir() if path.is_dir())
    mine = {path.resolve() for path in runs}
    found = {path.name: json.loads((path / "results.json").read_text()) for path in mine}
    assert sorted(one["status"] for one in found.values()) == ["fail", "pass", "pass"]
    (failed,) = [name for name, one in found.items() if one["status"] == "fail"]
    said = result.stdout.str()
    assert f"the first failure: {failed}" in said
    assert "3 flights: 2 pass, 1 fail, in " in said
    listed = cli(project, "flights", "--json").stdout.str()
    assert {one["flight_id"] for one in json.loads(listed)} == set(found), "in history, too"


def test_none_failed(project: Project) -> None:
    result = repeat(project, "--times", "2")
    assert result.ret == 0
    assert "2 flights: 2 pass, in " in result.stdout.str()
    assert "no job failed" in result.stdout.str()
    assert project.job(PV)["status"] == "pass"


def test_without_an_end_it_is_refused(project: Project) -> None:
    result = repeat(project)
    assert result.ret == 2
    assert "needs an end" in result.stderr.str()
    assert not (project.path / "reports").exists()
