"""Figures that are kept, and how they went."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bench.machine import Machine, this_machine
from harness.bench.model import Better, Finding
from harness.bench.record import keep, kept
from harness.bench.trend import SHOWN, SPARKS, sparks, trends_of
from harness.cli import main
from harness.errors import UsageError

FAST = Finding(name="a", value=1.0, unit="s", goal=2, better=Better.LOWER, details="as it is")
MACHINE = Machine(
    cpu="Model T", cpus=2, memory_gib=24, kernel="6.1", python="3.11.2", kvm=False, load=0.1
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "bench.jsonl"


def test_what_is_kept_comes_back(file: Path) -> None:
    keep([FAST, replace(FAST, name="b", value=3.0)], MACHINE, file)
    keep([FAST], MACHINE, file)
    runs, wrong = kept(file)
    assert wrong == []
    assert [len(run.figures) for run in runs] == [2, 1]
    assert runs[0].machine == MACHINE
    assert [figure.reached for figure in runs[0].figures] == [True, False]
    assert runs[0].figures[0].finding == FAST


def test_nothing_is_kept_yet(file: Path) -> None:
    assert kept(file) == ([], [])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "bench.jsonl:2: Expecting"),
        ("[]", "bench.jsonl:2: the line: "),
        ('{"schema_version": 9}', "bench.jsonl:2: written by a newer xenflight"),
        ('{"schema_version": 1}', "bench.jsonl:2: at: Field required"),
    ],
)
def test_a_line_that_is_none_is_told_and_lost_for_nobody_else(
    file: Path, line: str, says: str
) -> None:
    keep([FAST], MACHINE, file)
    with file.open("a") as more:
        more.write(f"{line}\n\n")
    keep([FAST], MACHINE, file)
    runs, wrong = kept(file)
    assert len(runs) == 2
    assert len(wrong) == 1
    assert says in wrong[0]


def test_a_place_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="could not be kept"):
        keep([FAST], MACHINE, tmp_path / "file" / "bench.jsonl")
    with pytest.raises(UsageError, match="is no ordinary file"):
        kept(tmp_path)


def test_only_figures_of_one_kind_of_machine_are_compared(file: Path) -> None:
    for value in (1.0, 3.0, 2.0):
        keep([replace(FAST, value=value)], MACHINE, file)
    keep([FAST], MACHINE.model_copy(update={"cpus": 64}), file)
    keep([replace(FAST, value=9.0)], MACHINE.model_copy(update={"load": 7.0}), file)
    here, there = trends_of(kept(file)[0])
    assert (here.runs, there.runs) == (4, 1)
    assert (here.machine.load, there.machine.cpus) == (7.0, 64)
    (trend,) = here.trends
    assert trend.values == [1.0, 3.0, 2.0, 9.0]
    assert trend.median == 2.5
    assert not trend.last.reached


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=60))
def test_a_picture_has_a_bar_for_each_value(values: list[float]) -> None:
    picture = sparks(values)
    assert len(picture) == len(values)
    assert set(picture) <= set(SPARKS)
    if max(values) > min(values):
        assert picture[values.index(max(values))] == SPARKS[-1]
        assert picture[values.index(min(values))] == SPARKS[0]
    assert SHOWN > 1


def test_this_machine(tmp_path: Path) -> None:
    found = this_machine(tmp_path / "none")
    assert found.cpus >= 1
    assert found.memory_gib >= 1
    assert found.cpu
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor : 0\nmodel name\t: Model T\nmodel name : other\n")
    assert this_machine(cpuinfo).cpu == "Model T"


def test_the_verb(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "trend", "--record", str(file)]) == 0
    assert "no run is kept" in capsys.readouterr().out
    for value in (1.0, 3.0):
        keep([replace(FAST, value=value)], MACHINE, file)
    with file.open("a") as more:
        more.write("{\n")
    assert main(["bench", "trend", "--record", str(file)]) == 0
    said = capsys.readouterr()
    assert "Model T, 2 CPUs, 24 GiB, no KVM, Linux 6.1, Python 3.11.2: 2 runs" in said.out
    assert "3.00 s" in said.out
    assert "▁█" in said.out
    assert "bench.jsonl:3" in said.err
    assert main(["bench", "trend", "--record", str(file), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
