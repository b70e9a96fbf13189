"""``--fail-fast``: once a job failed no other begins, and those that run end as usual."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from harness.results.model import StepResult
from harness.status import Status


class FailFast:
    """Which jobs may begin yet, in one process of a flight; without *wanted* all may.

    Only what is `fail` counts: what the lab broke says nothing of the guests that are left.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._begun: set[str] = set()
        self.why = ""
        """Why no more jobs begin; empty as long as they do."""

    def begins(self, job: str) -> None:
        """*job* is given out, or its first step begins."""
        self._begun.add(job)

    def hear(self, job: str, culprit: StepResult | None) -> bool:
        """What was the first step of *job* that did not pass, if any; whether that ends it all."""
        if not self._wanted or self.why or culprit is None or culprit.status is not Status.FAIL:
            return False
        self.why = f"not begun: {culprit.testid} of {job} failed, and --fail-fast was given"
        return True

    def holds(self, job: str) -> bool:
        """Whether *job* shall not begin any more."""
        return bool(self.why) and job not in self._begun

    def left_out(self, jobs: Iterable[str]) -> list[str]:
        """Those of *jobs* that never begin."""
        return [job for job in jobs if self.holds(job)]

    def steps(self, testids: Collection[str]) -> list[StepResult]:
        """What becomes of the steps of a job that is left out: each cites what it is left out for.

        `blocked`, not `skip`: nothing is known of the job, and it could have run here.
        """
        return [
            StepResult(testid=testid, status=Status.BLOCKED, reason=self.why) for testid in testids
        ]
