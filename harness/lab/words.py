"""The words of the queue, and how queues are called."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum

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


def queue_name(hosts: Iterable[str]) -> str:
    """The queue of jobs that may run on just these *hosts*."""
    text = ",".join(sorted(hosts))
    if len(text) <= _LONGEST_NAME:
        return text
    return f"{text[:60]}...{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def job_lock(flight_id: str, job: str) -> str:
    """What stands for one job of one flight: it waits once, and runs once, at any moment."""
    return f"{flight_id}/{job}"
