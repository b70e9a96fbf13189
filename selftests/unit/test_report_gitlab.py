"""A plan as a pipeline, checked by GitLab's own schema."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from harness.errors import UsageError
from harness.flight.build import build_plan
from harness.flight.plan import Plan
from harness.report.gitlab import MOST, pipeline_text

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "selftests" / "data" / "gitlab" / "ci.schema.json"


@cache
def validator() -> Draft7Validator:
    return Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return build_plan(str(ROOT / "flights" / "matrix.yaml"), hosts=["testbox,testbox-trixie"])


def read(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)
    faults = [f"{list(one.path)}: {one.message}" for one in validator().iter_errors(found)]
    assert faults == []
    return found


def ran(pipeline: dict[str, Any]) -> list[list[str]]:
    """What each CI job runs."""
    found = []
    for job in pipeline.values():
        if isinstance(job, dict) and job.get("stage") == "run":
            (line,) = job["script"]
            words = shlex.split(line)
            found.append(words[words.index("--only") + 1].split(","))
    return found


def test_the_schema_refuses_what_is_no_pipeline() -> None:
    assert list(validator().iter_errors({"a": {"script": ["x"], "artifact": 1}}))
    assert list(validator().iter_errors({"a": {"script": ["x"], "retry": 7}}))


@pytest.mark.parametrize("shards", [None, 1, 5])
def test_each_job_that_can_run_is_in_one_ci_job(plan: Plan, shards: int | None) -> None:
    found = read(pipeline_text(plan, shards))
    parts = ran(found)
    assert len(parts) == (shards or sum(not job.skip for job in plan.jobs))
    names = [name for part in parts for name in part]
    assert sorted(names) == sorted(job.name for job in plan.jobs if not job.skip)


def test_runners_are_chosen_by_what_jobs_need_of_a_host(plan: Plan) -> None:
    found = read(pipeline_text(plan))
    tags = {name: job["tags"] for name, job in found.items() if name.startswith("boot-")}
    assert all(tag[0] == "xenflight" for tag in tags.values())
    uefi = next(job.name for job in plan.jobs if not job.skip and job.boot == "uefi")
    assert {"hvm", "uefi"} <= set(tags[uefi])
    pv = next(job.name for job in plan.jobs if not job.skip and job.virt == "pv")
    assert "hvm" not in tags[pv]


def test_all_is_merged_by_a_last_job_whatever_became_of_the_others(plan: Plan) -> None:
    found = read(pipeline_text(plan, 3))
    merge = found["merge"]
    assert found["stages"][-1] == merge["stage"] == "merge"
    assert merge["when"] == "always"
    assert "merge reports/runs --expect" in merge["script"][0]
    for job in found.values():
        if isinstance(job, dict) and "artifacts" in job:
            assert job["artifacts"]["when"] == "always"
            assert job["stage"] == "merge" or job["artifacts"]["reports"]["junit"]


def test_too_many_jobs_for_a_pipeline_are_refused_and_sharded(plan: Plan) -> None:
    job = next(job for job in plan.jobs if not job.skip)
    many = [replace(job, name=f"{job.name}-{number}") for number in range(MOST + 1)]
    huge = replace(plan, jobs=tuple(many))
    with pytest.raises(UsageError, match="--shards"):
        pipeline_text(huge)
    assert len(ran(read(pipeline_text(huge, 20)))) == 20


def test_a_flight_that_can_run_nothing_is_no_pipeline(plan: Plan) -> None:
    nothing = replace(plan, jobs=tuple(replace(job, skip="why not") for job in plan.jobs))
    with pytest.raises(UsageError, match="no job"):
        pipeline_text(nothing)
