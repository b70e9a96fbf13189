"""How near to the shortest a flight comes: our scheduler, and xdist's own, by a counted clock.

Both are the real ones: the estimator, the order and the board of `harness.schedule`, and
`xdist.scheduler.LoadGroupScheduling`. Only workers and time are counted. Durations are generated,
the same each time, in the shape of recorded ones: most jobs alike, a tenth three times as long,
each run otherwise by a sixth.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from harness.bench.loadgroup import loadgroup_ends
from harness.bench.model import Better, Finding
from harness.flight.expected import Expectation
from harness.progress import Progress
from harness.schedule.board import Work
from harness.schedule.estimate import Estimator, Sample
from harness.schedule.forecast import forecast, lower_bound, makespan
from harness.schedule.order import in_order
from harness.status import Status

GOAL = 1.10
SIZES = ((121, 12, 2), (20_000, 250, 4))
"""Jobs, hosts, slots of each. The first is osstest's xen-unstable flight."""
STEPS = 4
"""Of a job: xdist runs a job's last step only when it knows what comes next."""
SEEDS = 9
NIGHTS = 5
_NOW = datetime(2026, 1, 15, tzinfo=UTC)
_LAST_FAILED, _NEVER_RAN, _FAILS_AGAIN = 0.04, 0.03, 0.7


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """A job, as far as the estimator looks at it."""

    name: str
    suite: str = "boot"
    virt: str = "pv"
    arch: str = "amd64"


@dataclass(frozen=True, kw_only=True)
class Night:
    """A flight: how long its jobs take, what of that was known before, and which fail."""

    seconds: Mapping[str, float]
    expected: Mapping[str, Expectation]
    failing: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Of one flight, ours and xdist's. *ratio*: makespan by the lower bound."""

    ratio: float
    plain_ratio: float
    first_failure: float
    """Seconds from the begin of the flight."""
    plain_first_failure: float
    cpu: float
    """Milliseconds of ours for each job."""


def measure_schedule(progress: Progress) -> list[Finding]:
    """Makespans against the lower bound, of both sizes."""
    findings = []
    for jobs, hosts, slots in SIZES:
        progress(f"{jobs:,} jobs on {hosts * slots:,} slots")
        seeds = range(SEEDS if jobs < 1000 else 1)
        findings.append(_finding(jobs, hosts * slots, [fly(jobs, hosts, slots, s) for s in seeds]))
    return findings


def fly(jobs: int, hosts: int, slots: int, seed: int) -> Outcome:
    """One flight, by both schedulers."""
    night = make_night(jobs, random.Random(seed))
    names = tuple(f"host{number}" for number in range(hosts))
    began = time.process_time()
    order = in_order(night.seconds, night.expected, hosts * slots)
    work = [Work(job=job, hosts=names, expected=night.expected[job]) for job in order]
    bars = forecast(
        work, dict.fromkeys(names, slots), lambda job, _: night.seconds[job], hosts * slots
    )
    cpu = (time.process_time() - began) / jobs
    plain = loadgroup_ends(night.seconds, hosts * slots, STEPS)
    bound = lower_bound(night.seconds.values(), hosts * slots)
    return Outcome(
        ratio=makespan(bars) / bound,
        plain_ratio=max(plain.values()) / bound,
        first_failure=min(bar.end for bar in bars if bar.job in night.failing),
        plain_first_failure=min(plain[job] for job in night.failing),
        cpu=1000 * cpu,
    )


def make_night(jobs: int, draw: random.Random) -> Night:
    """A flight of so many jobs, and the nights before it."""
    names = [f"boot-{number:05d}" for number in range(jobs)]
    usual = {name: _usual(draw) for name in names}
    samples = []
    failing = set()
    for name in names:
        luck = draw.random()
        if luck < _NEVER_RAN:
            continue
        for night in range(1, NIGHTS + 1):
            failed = night == 1 and luck < _NEVER_RAN + _LAST_FAILED
            samples.append(_sample(name, night, usual[name] * _noise(draw), failed=failed))
        if luck < _NEVER_RAN + _LAST_FAILED and draw.random() < _FAILS_AGAIN:
            failing.add(name)
    estimator = Estimator(samples, _NOW)
    expected = estimator.expectations(_Kind(name=name) for name in names)
    return Night(
        seconds={name: usual[name] * _noise(draw) for name in names},
        expected=dict(zip(names, expected, strict=True)),
        failing=frozenset(failing) or frozenset(names[-1:]),
    )


def _sample(name: str, night: int, seconds: float, *, failed: bool) -> Sample:
    return Sample(
        job=name,
        suite="boot",
        virt="pv",
        arch="amd64",
        host="host0",
        at=_NOW - timedelta(days=night),
        status=Status.FAIL if failed else Status.PASS,
        seconds=seconds,
    )


def _usual(draw: random.Random) -> float:
    if draw.random() < 0.1:
        return 900 * draw.lognormvariate(0, 0.25)
    return 300 * draw.lognormvariate(0, 0.45)


def _noise(draw: random.Random) -> float:
    return draw.lognormvariate(0, 0.15)


def _finding(jobs: int, slots: int, found: Sequence[Outcome]) -> Finding:
    ratios = sorted(one.ratio for one in found)
    spread = f", {ratios[0]:.3f} to {ratios[-1]:.3f} of {len(ratios)}" if len(ratios) > 1 else ""
    plain = median(one.plain_ratio for one in found)
    first = median(one.first_failure for one in found)
    plain_first = median(one.plain_first_failure for one in found)
    return Finding(
        name=f"makespan of {jobs:,} jobs on {slots:,} slots",
        value=ratios[len(ratios) // 2],
        unit="x lower bound",
        goal=GOAL,
        better=Better.LOWER,
        details=f"--dist loadgroup {plain:.2f}{spread}; first failure after {first:.0f} s, there"
        f" {plain_first:.0f} s; {median(one.cpu for one in found):.2f} ms of CPU a job",
    )
