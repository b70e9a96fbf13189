"""What docs/judge.md says is so. Its examples are judged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from judge_samples import flight, judged

import harness
from harness.gate.schema import (
    AllowModel,
    CoverageModel,
    KnownIssueModel,
    PolicyModel,
    QuarantineModel,
    RequiredModel,
    RetriesModel,
)
from harness.gate.verdict import ReasonKind, WaiverState
from harness.judge.history import FlightRecord
from harness.judge.judgement import Analysis
from harness.judge.rules import QuarantineRule, Rules

ROOT = Path(harness.__file__).parent.parent
TEXT = (ROOT / "docs" / "judge.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```history\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
LINE = re.compile(r"(?P<number>\d+) (?P<revision>\w+) +(?P<open>open )? *(?P<jobs>\S+: .*)")


def flight_of(line: str) -> FlightRecord:
    match = LINE.fullmatch(line)
    assert match, line
    jobs = dict(part.split(": ", 1) for part in match["jobs"].split("; "))
    return flight(match["number"], match["revision"], jobs, gate=bool(match["open"]))


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_its_examples(example: str) -> None:
    lines = example.splitlines()
    expected = [line.removeprefix("=> ") for line in lines if line.startswith("=> ")]
    osstest = "consistent: 0" in lines
    kept = QuarantineRule() if "quarantine" in lines else None
    *others, this = [flight_of(line) for line in lines if line[0].isdigit()]
    found = judged(this, *others, rules=Rules(consistent=0 if osstest else 2, quarantine=kept))
    said = [
        f"{one.job} {one.testid}{'' if one.flight == this.flight else f' in {one.flight}'}: "
        f"{found.summary(one)} ({one.analysis})"
        for one in found.judgements
    ]
    assert said == expected


def test_there_are_as_many_examples_as_fences() -> None:
    assert len(EXAMPLES) == TEXT.count("```history") == 13


@pytest.mark.parametrize(
    "model",
    [PolicyModel, AllowModel, KnownIssueModel, RequiredModel, CoverageModel, QuarantineModel,
     RetriesModel],
)  # fmt: skip
def test_every_key_of_a_policy_is_named(model: type[PolicyModel]) -> None:
    prose = re.sub(r"^```.*?^```", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`\n]+`", prose))))
    assert set(model.model_fields) <= words


def test_the_defaults_are_those_of_the_code() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", TEXT, re.MULTILINE))
    model = PolicyModel.model_validate({"policy": "p", "branches": ["b"]})
    assert set(table) >= set(PolicyModel.model_fields)
    assert table["consistent"] == str(model.consistent)
    for name in ("never_ran", "no_baseline"):
        assert table[name] == f"`{getattr(model, name)}`"
    assert model.quarantine is not None
    for name, values in (("quarantine", model.quarantine), ("retries", model.retries)):
        said = ", ".join(f"{key}: {value}" for key, value in values)
        assert table[name] == f"`{{{said}}}`"


@pytest.mark.parametrize("words", [Analysis, ReasonKind, WaiverState])
def test_every_word_of_a_verdict_is_named(words: type[Analysis]) -> None:
    assert {str(word) for word in words} <= set(re.findall(r"`([\w-]+)`", TEXT))
