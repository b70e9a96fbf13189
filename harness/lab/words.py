"""The words of the queue, and how queues are called."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any

MOST_LOSSES = 3
"""So many workers may be lost under one job; then it is `broken`, and may be what kills them."""
_LONGEST_NAME = 100
"""procrastinate's column holds 128."""


class State(StrEnum):
    """Where a flight's job is."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


class Outcome(StrEnum):
    """What became of an attempt."""

    DONE = "done"
    """It came to its end; the job's status says how."""
    LOST = "lost"
    """Its worker was not heard of any more."""
    GIVEN_BACK = "given back"
    """Its worker was told to stop."""
    MISFIT = "misfit"
    """No host of its worker can run the job; others may."""


def for_pair(spec: Mapping[str, Any]) -> bool:
    """Whether a job, as `plan.job_dict` has it, needs two hosts."""
    return bool(spec.get("peer"))


def fits(hosts: Iterable[str], mine: Collection[str], *, pair: bool) -> bool:
    """Whether a job that may run on *hosts* is for a worker with the hosts *mine*: one of them, or
    two if it is for a *pair* of hosts (`JobSpec.peer`)."""
    return sum(host in mine for host in hosts) >= (2 if pair else 1)


def queue_name(hosts: Iterable[str], *, pair: bool = False) -> str:
    """The queue of jobs that may run on just these *hosts*; those for a *pair* have their own."""
    text = f"{'pair:' if pair else ''}{','.join(sorted(hosts))}"
    if len(text) <= _LONGEST_NAME:
        return text
    return f"{text[:60]}...{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def job_lock(flight_id: str, job: str) -> str:
    """What stands for one job of one flight: it waits once, and runs once, at any moment."""
    return f"{flight_id}/{job}"
