"""The verbs about time: plan with its picture and its pipeline, shards, merge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from storelab import JOB, OTHER, STEPS, Flying

from harness.cli import main
from harness.cli.complete import formats, shards
from harness.flight.plan import from_json
from harness.status import Status

ROOT = Path(__file__).parents[2]
MATRIX = str(ROOT / "flights" / "matrix.yaml")
SMOKE = str(ROOT / "flights" / "smoke.yaml")
Captured = pytest.CaptureFixture[str]


def test_plan_says_how_long_it_takes_and_draws_it(tmp_path: Path, capsys: Captured) -> None:
    picture = tmp_path / "plan.html"
    words = ["plan", MATRIX, "--host", "testbox,testbox-trixie", "-n", "3", "--store", "none"]
    assert main([*words, "--gantt", str(picture)]) == 0
    said = capsys.readouterr().out
    assert "with 3 jobs at once" in said
    assert "critical path: " in said
    assert "testbox-trixie: " in said
    assert picture.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main([*words, "--gantt", str(tmp_path / "none" / "plan.html")]) == 2


def test_plan_writes_a_pipeline_and_nothing_else(capsys: Captured) -> None:
    assert main(["plan", MATRIX, "--format", "gitlab", "--shards", "3", "--store", "none"]) == 0
    found = yaml.safe_load(capsys.readouterr().out)
    assert [name for name in found if name.startswith("shard ")] == [
        "shard 1/3",
        "shard 2/3",
        "shard 3/3",
    ]
    assert main(["plan", MATRIX, "--format", "toml"]) == 2


def test_shards_of_a_flight_are_all_of_it(capsys: Captured) -> None:
    names = []
    for index in (1, 2, 3):
        words = ["plan", MATRIX, "--shard", f"{index}/3", "--json", "--store", "none"]
        assert main(words) == 0
        plan = from_json(capsys.readouterr().out)
        assert plan.shard
        assert (plan.shard.index, plan.shard.count) == (index, 3)
        names += [job.name for job in plan.jobs]
    assert main(["plan", MATRIX, "--json", "--store", "none"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert sorted(names) == sorted(job["name"] for job in whole["jobs"])
    assert whole["shard"] is None


def test_a_dry_run_of_a_shard_tells_the_same_command(capsys: Captured) -> None:
    assert main(["run", MATRIX, "--shard", "2/3", "--dry-run", "--store", "none"]) == 0
    assert " --shard 2/3 " in capsys.readouterr().out
    assert main(["run", SMOKE, "--shard", "4/3", "--dry-run", "--store", "none"]) == 2
    assert "that is no part of a flight" in capsys.readouterr().err


def part(directory: Path, job: str, status: Status) -> None:
    flying = Flying(directory, None, [job])
    for testid in STEPS:
        flying.step(job, testid, status if testid == "guest-boot" else Status.PASS)
    flying.recorder.job_ended(job, host="rack1")
    flying.recorder.finish()


def test_merge_makes_a_flight_that_the_store_has_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    part(tmp_path / "parts" / "a", JOB, Status.PASS)
    part(tmp_path / "parts" / "b", OTHER, Status.FAIL)
    store = str(tmp_path / "history.db")
    assert main(["merge", "parts", "--store", store]) == 5
    assert f"{OTHER}" in capsys.readouterr().out
    assert main(["show", "latest", "--store", store, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["status"] == "fail"
    assert main(["report", "--store", store, "--out", "site"]) == 0
    assert main(["merge", "parts/a", "--expect", SMOKE, "--store", "none"]) in (0, 4)
    assert main(["merge", "nowhere", "--store", "none"]) == 2


def test_what_is_typed_is_completed() -> None:
    assert formats("g") == ["gitlab"]
    assert shards("") == ["1/2", "2/2", "1/4", "2/4", "3/4", "4/4"]
    assert shards("2/3") == ["2/3"]
    assert shards("x/y") == []
