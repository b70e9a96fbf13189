"""A plan as a child pipeline for GitLab's CI: a job for each job of the flight, or each shard.

What the keys mean: https://docs.gitlab.com/ci/yaml/.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import yaml

from harness.errors import UsageError
from harness.flight.model import JobSpec
from harness.flight.needs import needs
from harness.flight.plan import Plan
from harness.schedule.forecast import lower_bound
from harness.schedule.shard import split

MOST = 500
"""Jobs of a pipeline. GitLab's own limit is its administrator's; a page of more helps nobody."""
RUNS = "reports/runs"
TAG = "xenflight"
"""What a runner must have to take any of them."""
KEPT = "30 days"
_PATIENCE = 4
"""So many times the expected time a CI job may take, and an hour: a bound for what hangs."""
_LEAST = timedelta(hours=1)
Values = Mapping[str, Any]


def pipeline_text(plan: Plan, shards: int | None = None) -> str:
    """The pipeline of *plan* as YAML; with *shards* of so many jobs, each with its part.

    `UsageError` for one of no job, or of too many.
    """
    head = (
        f"# Made by `xenflight plan {plan.flight} --format gitlab`: a child pipeline, for\n"
        "# `trigger: include: artifact:` in the job that makes it.\n"
    )
    found = pipeline(plan, shards)
    text: str = yaml.safe_dump(dict(found), sort_keys=False, width=100, allow_unicode=True)
    return head + text


def pipeline(plan: Plan, shards: int | None = None) -> Values:
    """The same, as values."""
    jobs = {job.name: job for job in plan.jobs if not job.skip}
    if not jobs:
        msg = f"flight {plan.flight} has no job to run"
        raise UsageError(msg)
    names = split(list(jobs), plan.expected, shards) if shards else [[name] for name in jobs]
    parts = [part for part in names if part]
    if len(parts) > MOST:
        msg = f"a pipeline of {len(parts):,} jobs: more than {MOST} are refused"
        raise UsageError(msg, hint="have several of them in each: --shards 20")
    return {
        "stages": ["run", "merge"],
        "default": {"interruptible": True},
        **{
            _title(part, number, len(parts), shards): _run(plan, [jobs[name] for name in part])
            for number, part in enumerate(parts, start=1)
        },
        "merge": _merge(plan),
    }


def _title(part: Sequence[str], number: int, count: int, shards: int | None) -> str:
    return f"shard {number}/{count}" if shards else part[0]


def _run(plan: Plan, jobs: Sequence[JobSpec]) -> Values:
    """One job of CI. It names its own jobs of the flight: what history says by the time it runs is
    nothing to it."""
    words = ["./xenflight", "run", plan.source, "--only", ",".join(job.name for job in jobs)]
    words += ["--host", ",".join(host.name for host in plan.hosts), "--store", "none"]
    return {
        "stage": "run",
        "tags": _tags(jobs),
        "script": [shlex.join(words)],
        "timeout": _timeout(plan, jobs),
        # What xenflight says of the lab is no reason to begin anew; that a runner broke is.
        "retry": {"max": 1, "when": ["runner_system_failure"]},
        "artifacts": {
            **_artifacts(),
            # Not that of the link. The whole has the same cases, and would count them twice.
            "reports": {"junit": f"{RUNS}/*-*/junit.xml"},
        },
    }


def _merge(plan: Plan) -> Values:
    """The last job: takes the artifacts of all jobs before it, however they ended."""
    words = ["./xenflight", "merge", RUNS, "--expect", plan.source, "--store", "none"]
    return {
        "stage": "merge",
        "when": "always",
        "tags": [TAG],
        "script": [
            f"{shlex.join(words)} || code=$?",
            "./xenflight report --store none --out public-xenflight || true",
            "exit ${code:-0}",
        ],
        "artifacts": {**_artifacts(), "paths": [f"{RUNS}/", "public-xenflight/"]},
    }


def _artifacts() -> Values:
    return {
        "when": "always",
        "expire_in": KEPT,
        "paths": [f"{RUNS}/"],
        # A link that each job has, and which leads elsewhere in each.
        "exclude": [f"{RUNS}/latest", f"{RUNS}/latest/**/*"],
    }


def _tags(jobs: Iterable[JobSpec]) -> list[str]:
    """`TAG`, and the flags of hosts that the jobs need: only runners with such hosts take them."""
    return [TAG, *sorted({str(flag) for job in jobs for flag in needs(job)})]


def _timeout(plan: Plan, jobs: Sequence[JobSpec]) -> str:
    long = [plan.expectation(job.name).long for job in jobs]
    slowest = max(host.timeout_factor for host in plan.hosts)
    seconds = _PATIENCE * max(1.0, slowest) * lower_bound(long, 1) + _LEAST.total_seconds()
    return f"{int(seconds // 60)} minutes"
