"""`xenflight new suite`: what it writes is a project, and it overwrites nothing."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import harness
from harness.cli import main
from harness.flight.loader import load_flight

Captured = pytest.CaptureFixture[str]
FILES = ("suites/disk-cache/test_disk_cache.py", "suites/disk-cache/README.md")
FLIGHT = "flights/disk-cache.yaml"
GUIDE = Path(harness.__file__).parent.parent / "docs" / "writing-a-suite.md"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_it_writes_passes_the_check(tmp_path: Path, capsys: Captured) -> None:
    assert main(["new", "suite", "disk-cache"]) == 0
    said = capsys.readouterr().out
    assert all(f"written: {name}" in said for name in (*FILES, FLIGHT, "flights/hosts.yaml"))
    assert "only suites and flights that are in it" in said
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "all is well: disk-cache\n"
    flight = load_flight(tmp_path / FLIGHT)
    assert {job.suite for job in flight.jobs} == {"disk-cache"}
    steps = [node.name for node in ast.parse((tmp_path / FILES[0]).read_text()).body
             if isinstance(node, ast.FunctionDef)]  # fmt: skip
    readme = (tmp_path / FILES[1]).read_text()
    assert steps
    assert all(step.removeprefix("test_").replace("_", "-") in readme for step in steps)


def test_it_overwrites_nothing(tmp_path: Path, capsys: Captured) -> None:
    assert main(["new", "suite", "disk-cache"]) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert main(["new", "suite", "disk-cache"]) == 2
    assert "already" in capsys.readouterr().err
    (tmp_path / FILES[0]).unlink()
    assert main(["new", "suite", "disk-cache"]) == 2, "its flight is there still"
    assert "nothing was written" in capsys.readouterr().err
    assert not (tmp_path / FILES[0]).exists()
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == {path: text for path, text in before.items() if path != tmp_path / FILES[0]}


def test_pytest_reads_one_test_file_of_a_name_only(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "suites" / "other").mkdir(parents=True)
    (tmp_path / "suites" / "other" / "test_disk_cache.py").touch()
    assert main(["new", "suite", "disk-cache"]) == 2
    assert "two suites cannot have files of one name" in capsys.readouterr().err
    assert not (tmp_path / "flights").exists()


@pytest.mark.parametrize(
    ("name", "meant"),
    [("Disk_Cache", "disk-cache"), ("disk--cache", "disk-cache"), ("../x", ""), ("", ""),
     ("x" * 41, ""), ("a/b", "")],
)  # fmt: skip
def test_names_that_no_suite_can_have(
    tmp_path: Path, capsys: Captured, name: str, meant: str
) -> None:
    assert main(["new", "suite", name]) == 2
    said = capsys.readouterr().err
    assert f"error: {name!r} is not a suite's name" in said
    assert (f"did you mean {meant}?" in said) == bool(meant)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_gets_nothing(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "flights").write_text("a file\n")
    assert main(["new", "suite", "disk-cache"]) == 2
    assert "cannot write flights" in capsys.readouterr().err
    assert not [path for path in (tmp_path / "suites").rglob("*") if path.is_file()]


def test_a_group_of_verbs_by_itself_shows_its_help_and_no_error(capsys: Captured) -> None:
    assert main(["new"]) == 2
    shown = capsys.readouterr()
    assert "suite" in shown.out + shown.err
    assert "error" not in shown.out + shown.err


def test_the_example_of_the_guide_fits_into_such_a_project(
    tmp_path: Path, capsys: Captured
) -> None:
    assert main(["new", "suite", "disk-cache"]) == 0
    blocks = re.findall(r"```(\w+)\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    suite, flight = (next(text for kind, text in blocks if kind == k) for k in ("python", "yaml"))
    (tmp_path / FILES[0]).write_text(suite)
    (tmp_path / FLIGHT).write_text(flight)
    capsys.readouterr()
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "all is well: disk-cache\n"
    compile(suite, FILES[0], "exec")
