"""What the gate has before it: a flight, judged, and the policy it is to keep to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from harness.gate.policy import Policy
from harness.judge.attempts import Attempts, attempts
from harness.judge.evidence import Evidence
from harness.judge.history import VERDICTS, FlightRecord, JobRecord
from harness.judge.judgement import Judged, Judgement
from harness.judge.waiver import any_glob
from harness.status import Status


@dataclass(frozen=True)
class Case:
    """One flight before the gate."""

    policy: Policy
    evidence: Evidence
    judged: Judged
    retries: int
    """How many retries of a job count."""

    @property
    def flight(self) -> FlightRecord:
        """The flight."""
        return self.evidence.flight

    @cached_property
    def jobs(self) -> dict[str, Attempts]:
        """Its jobs by name."""
        return attempts(self.flight.jobs, self.retries)

    @cached_property
    def baseline_jobs(self) -> dict[str, JobRecord]:
        """The baseline's jobs by name; none without one."""
        that = self.evidence.baseline
        tried = attempts(that.jobs) if that else {}
        return {job: found.counts for job, found in tried.items()}

    def own(self) -> Iterator[Judgement]:
        """The judgements of its own steps, and not of flights that were followed."""
        return (one for one in self.judged.judgements if one.flight == self.flight.flight)

    def of_job(self, job: str) -> list[Judgement]:
        """The judgements of one of its jobs, in the order of its steps."""
        return [one for one in self.own() if one.job == job]

    def matching(self, patterns: tuple[str, ...]) -> list[str]:
        """Jobs of the flight or its baseline that match, in order of their names.

        A matrix has cells that cannot be. A job that was skipped, and did not come to a verdict in
        the baseline either, matches only by its full name.
        """
        known = sorted({*self.jobs, *self.baseline_jobs})
        return [
            job
            for job in known
            if job in patterns or (any_glob(patterns, job) and self._can_be(job))
        ]

    def _can_be(self, job: str) -> bool:
        there = self.baseline_jobs.get(job)
        here = self.status(job) not in (Status.SKIP, None)
        return here or (there is not None and there.status in VERDICTS)

    def changed(self, job: str) -> tuple[str, ...]:
        """The revisions of a job that are others than in the baseline; none if it was not there."""
        if job not in self.jobs or job not in self.baseline_jobs:
            return ()
        here, there = self.jobs[job].counts.revisions, self.baseline_jobs[job].revisions
        return tuple(sorted({tree for tree, _ in here.items() ^ there.items()}))

    def ran(self, job: str) -> bool:
        """Whether the job came to a verdict in this flight."""
        return job in self.jobs and self.jobs[job].counts.status in VERDICTS

    def status(self, job: str) -> Status | None:
        """The status of a job; None when the flight has no such."""
        return self.jobs[job].counts.status if job in self.jobs else None


def retries_that_count(flight: FlightRecord, policy: Policy) -> int:
    """How many retries of a job count in *flight*: none, when too many jobs were tried again.

    One job may always be, however small the flight.
    """
    tried = attempts(flight.jobs)
    again = sum(found.retries > 0 for found in tried.values())
    budget = max(1, len(tried) * policy.retry_percent // 100) if policy.retry_percent else 0
    return policy.retries if again <= budget else 0
