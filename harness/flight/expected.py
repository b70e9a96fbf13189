"""What is expected of a job: part of a plan, so that all who have the plan schedule alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Last(StrEnum):
    """What became of a job when it ran last."""

    NEVER = "never"
    FAILED = "failed"
    """It did not pass, whoever was to blame."""
    PASSED = "passed"


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """Of one job. Seconds, without what it waits for its image and for room."""

    usual: float
    """The median of what is known."""
    long: float
    """Nine of ten are done by then: what the order of jobs goes by."""
    last: Last = Last.NEVER
    host: str | None = None
    """Where it ran last."""


UNKNOWN = Expectation(usual=300.0, long=300.0)
"""Of a job of which nothing at all is known. osstest says 5000 s, but installs each host anew; a
guest here boots in one minute to five, emulated or not (docs/testbox.md)."""


def expected_dict(expected: Mapping[str, Expectation]) -> dict[str, Any]:
    """As values that JSON knows."""
    return {job: [one.usual, one.long, one.last, one.host] for job, one in expected.items()}


def expected_from(data: Mapping[str, Any]) -> dict[str, Expectation]:
    """What `expected_dict` made; `TypeError` or `ValueError` when it is none of that."""
    return {job: _expectation(*values) for job, values in data.items()}


def _expectation(usual: float, long: float, last: str, host: str | None) -> Expectation:
    found = Expectation(usual=float(usual), long=float(long), last=Last(last), host=host)
    if not 0 <= found.usual <= found.long:
        msg = f"no job is expected to take {usual} to {long} s"
        raise ValueError(msg)
    return found
