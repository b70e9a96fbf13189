"""A flight in parts, each run by itself: balanced by expected time, and the same wherever made."""

from __future__ import annotations

import hashlib
import heapq
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.errors import UsageError
from harness.flight.expected import UNKNOWN, Expectation
from harness.flight.plan import Plan, ShardSpec

MOST = 1000
_FORM = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")
_STEPS = 2
"""Expected times are rounded to so many steps for each doubling."""


def parse_shard(text: str) -> tuple[int, int]:
    """``2/4`` → 2, 4. `UsageError` when it is no part of a whole."""
    match = _FORM.fullmatch(text)
    index, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= index <= count <= MOST:
        msg = f"--shard {text[:20]}: that is no part of a flight"
        raise UsageError(msg, hint=f"the second of four is 2/4; at most {MOST} parts")
    return index, count


def take_shard(plan: Plan, text: str, *, token: str) -> Plan:
    """The part of *plan* that *text* names, a flight of its own with *token* in its id.

    Jobs that are skipped are in the first. `UsageError` for a part with no job to run.
    """
    index, count = parse_shard(text)
    runnable = [job.name for job in plan.jobs if not job.skip]
    parts = split(runnable, plan.expected, count)
    mine = set(parts[index - 1])
    jobs = tuple(job for job in plan.jobs if job.name in mine or (job.skip and index == 1))
    if not mine:
        msg = f"--shard {text}: no job is left for it; the flight has {len(runnable)}"
        raise UsageError(msg)
    whole = hashlib.sha256("\n".join(sorted(runnable)).encode()).hexdigest()[:16]
    return replace(
        plan,
        flight_id=f"{plan.flight_id.rpartition('-')[0]}-{token}",
        jobs=jobs,
        expected={name: one for name, one in plan.expected.items() if name in mine},
        shard=ShardSpec(index=index, count=count, of=whole),
    )


def split(jobs: Sequence[str], expected: Mapping[str, Expectation], count: int) -> list[list[str]]:
    """*jobs* in so many parts: the longest first, each to the part that has least so far.

    The order of *jobs* is nothing. Expected times are rounded, so that a night's noise moves
    no job from one part to another; so the parts' sums are within a factor of what that rounds.
    """
    weights = {job: rounded(expected.get(job, UNKNOWN).usual) for job in jobs}
    parts: list[list[str]] = [[] for _ in range(count)]
    sums = [(0.0, number) for number in range(count)]
    for job in sorted(jobs, key=lambda name: (-weights[name], name)):
        total, number = heapq.heappop(sums)
        parts[number].append(job)
        heapq.heappush(sums, (total + weights[job], number))
    return parts


def rounded(seconds: float) -> float:
    """The nearest of 1, 1.4, 2, 2.8, 4 ... seconds."""
    step: float = round(_STEPS * math.log2(max(1.0, seconds)))
    return float(2.0 ** (step / _STEPS))
