"""Jobs that were tried again: which attempt counts.

Only what our lab did to a job may be tried again. A failure stays one, whatever a later attempt
says: that is what history is for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.judge.history import JobRecord
from harness.judge.memory import newest_first
from harness.status import Status

RETRIABLE = frozenset({Status.BROKEN, Status.STARVED})


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """All runs of one job in one flight, the first one first."""

    all: tuple[JobRecord, ...]
    counts: JobRecord
    """The one to judge."""
    allowed: int
    """How many attempts were looked at."""

    @property
    def retries(self) -> int:
        """How often the job was tried again."""
        return len(self.all) - 1

    @property
    def passed_on_retry(self) -> bool:
        """Whether it passed, but not at once."""
        return self.counts is not self.all[0] and self.counts.status is Status.PASS


def attempts(records: Iterable[JobRecord], retries: int | None = None) -> dict[str, Attempts]:
    """The jobs of one flight by name, in order of their names.

    At most *retries* of each job count, all with None.
    """
    by_job: dict[str, list[JobRecord]] = {}
    for record in records:
        by_job.setdefault(record.job, []).append(record)
    return {job: _attempts(found, retries) for job, found in sorted(by_job.items())}


def _attempts(records: list[JobRecord], retries: int | None) -> Attempts:
    ordered = tuple(sorted(records, key=newest_first, reverse=True))
    seen = ordered if retries is None else ordered[: retries + 1]
    settled = (record for record in seen if record.status not in RETRIABLE)
    return Attempts(all=ordered, counts=next(settled, seen[-1]), allowed=len(seen))
