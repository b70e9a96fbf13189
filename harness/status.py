"""The statuses of steps and jobs, and how they combine.

The words and their meaning are osstest's (its README, "flights, jobs and steps"),
with ``skip`` and ``aborted`` told apart from a failure.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Status(StrEnum):
    """What became of a step, a job or a flight."""

    PASS = "pass"
    FAIL = "fail"
    """The thing under test misbehaved."""
    BROKEN = "broken"
    """Our lab or our harness failed."""
    BLOCKED = "blocked"
    """An earlier step of the job did not pass."""
    STARVED = "starved"
    """No host was free in time."""
    SKIP = "skip"
    """Not applicable here; a reason is required."""
    ABORTED = "aborted"
    """Ended by the operator or by a deadline of the whole flight."""


WORST_FIRST: tuple[Status, ...] = (
    Status.ABORTED,
    Status.BROKEN,
    Status.FAIL,
    Status.STARVED,
    Status.BLOCKED,
    Status.PASS,
    Status.SKIP,
)
"""`pass` is worse than `skip`: a set of both did prove something."""

EXIT_CODES: dict[Status, int] = {
    Status.PASS: 0,
    Status.SKIP: 3,
    Status.BLOCKED: 4,
    Status.BROKEN: 4,
    Status.FAIL: 5,
    Status.STARVED: 6,
    Status.ABORTED: 130,
}
"""Exit codes of the process (docs/architecture.md). 1 is a bug of ours, 2 is bad usage."""

EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_NOTHING_RAN = 3


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of a set; an empty set counts as `skip`, because nothing was proved."""
    found = set(statuses)
    return next((status for status in WORST_FIRST if status in found), Status.SKIP)
