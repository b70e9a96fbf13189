"""On which host a job runs, of several that could run it."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping

from harness.flight.expected import Expectation, Last


def best_first(
    job: str, expected: Expectation, free: Mapping[str, int], avoid: Collection[str] = ()
) -> list[str]:
    """The hosts of *free*, which has how many slots are free on each, the best for *job* first.

    osstest's "stickiness": a job that did not pass goes back to where that was, so that host and
    guest can be told apart; one that passed goes elsewhere, so that in time it is tried on all.
    A host with no free slot comes after all that have one, and one of *avoid* after the others.
    Else the emptiest; where there is no difference, not all jobs begin with the same one.
    """
    names = list(free)
    start = zlib.crc32(job.encode()) % max(1, len(names))
    back = expected.host if expected.last is Last.FAILED else None
    away = expected.host if expected.last is Last.PASSED else None

    def rank(name: str) -> tuple[bool, bool, bool, bool, int]:
        return free[name] <= 0, name in avoid, name != back, name == away, -free[name]

    return sorted((*names[start:], *names[:start]), key=rank)
