"""Trying a job once more that our lab broke: on another host where there is one.

Only what is `broken` says nothing of the guest. What a guest fails once it fails: to try that
again would hide what fails now and then.
"""

from __future__ import annotations

import math
from pathlib import Path

from harness.flight.plan import Plan
from harness.job.prepared import JobFacts
from harness.results.model import StepResult
from harness.status import Status

SHARE = 0.1
"""Of a flight's jobs that are tried again, at least one: more would hide a lab that is broken."""
TICKETS = "retries"


class Retries:
    """Who may be tried again, in all processes of the flight of *plan*, which is in *directory*."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self._plan = plan
        self._directory = directory / TICKETS
        self._tried: set[str] = set()

    def due(self, job: str, culprit: StepResult | None, facts: JobFacts) -> bool:
        """Whether *job*, which ended with *facts*, is to be tried again; it then counts as such.

        *culprit* is its first step that did not pass. One that never had a host would be broken
        for the same reason again, and a guest that is kept has the job's name.
        """
        if not self._plan.retry or job in self._tried or culprit is None:
            return False
        if culprit.status is not Status.BROKEN or not facts.host or facts.kept:
            return False
        self._tried.add(job)
        return self._ticket(job)

    def _ticket(self, job: str) -> bool:
        """One of those that the flight has: a file can be made once, whoever tries."""
        jobs = sum(not spec.skip for spec in self._plan.jobs)
        try:
            self._directory.mkdir(exist_ok=True)
            for number in range(1, math.ceil(jobs * SHARE) + 1):
                try:
                    with (self._directory / str(number)).open("x", encoding="utf-8") as ticket:
                        ticket.write(job)
                except FileExistsError:
                    continue
                return True
        except OSError:
            return False
        return False
