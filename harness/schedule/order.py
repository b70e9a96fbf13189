"""In what order the jobs of a plan begin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.flight.expected import UNKNOWN, Expectation, Last
from harness.flight.plan import Plan

_EVIDENCE = {Last.FAILED: 0, Last.NEVER: 1}
"""What says most when it ends: does it still fail, and does it work at all."""
SLACK = 1.05
"""So much longer than the shortest that there is a flight may be for the sake of evidence."""


def jobs_in_order(plan: Plan) -> list[str]:
    """All jobs of *plan*; those that are skipped come last: nobody waits for them."""
    runnable = [job.name for job in plan.jobs if not job.skip]
    skipped = [job.name for job in plan.jobs if job.skip]
    return [*in_order(runnable, plan.expected, plan.slots), *skipped]


def in_order(jobs: Iterable[str], expected: Mapping[str, Expectation], slots: int) -> list[str]:
    """*jobs* as they are to begin on *slots*; where nothing tells two apart, as they came.

    Longest first (Graham's LPT, within 4/3 of the best, and near 1 for many jobs), but those that
    failed last time, and then those that never ran, before the others: the first evidence first.
    A long job that passed would then begin when that evidence is in, and might end last of all;
    so one that could outlast the flight like that begins before everything.
    """
    names = list(jobs)
    known = {name: expected.get(name, UNKNOWN) for name in names}
    total = sum(one.long for one in known.values())
    longest = max((one.long for one in known.values()), default=0.0)
    bound = max(total / max(1, slots), longest)
    early = [one.long for one in known.values() if one.last in _EVIDENCE]
    # By then the last of the evidence has begun.
    delay = sum(early) / max(1, slots)

    def place(name: str) -> tuple[int, float]:
        one = known[name]
        if early and one.last is Last.PASSED and one.long + delay > SLACK * bound:
            return -1, -one.long
        return _EVIDENCE.get(one.last, 2), -one.long

    return sorted(names, key=place)
