"""The rules that turn statuses of steps into those of jobs and of the flight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from harness.results.model import JobResult, StepResult
from harness.status import Status, worst

HARMLESS = frozenset({Status.PASS, Status.SKIP})


def first_bad(steps: Iterable[StepResult]) -> StepResult | None:
    """The first step that neither passed nor was skipped."""
    return next((step for step in steps if step.status not in HARMLESS), None)


def job_status(steps: Sequence[StepResult]) -> Status:
    """The word of the first step that did not pass; `skip` when nothing was proved.

    osstest's rule, with `skip` passed over.
    """
    bad = first_bad(steps)
    return bad.status if bad else worst(step.status for step in steps)


def flight_status(jobs: Iterable[JobResult], *, problems: bool, ended: bool) -> Status:
    """The worst of *jobs*. A problem of our own is `broken`, an end that never came `aborted`."""
    found = {job.status for job in jobs}
    if problems:
        found.add(Status.BROKEN)
    if not ended:
        found.add(Status.ABORTED)
    return worst(found)


def worse(old: StepResult, new: StepResult) -> StepResult:
    """Of two results of the same step the one to keep: a pass never hides a failure."""
    return old if worst((old.status, new.status)) is not new.status else new


def complete(
    expected: Sequence[str], found: Mapping[str, StepResult], begun: Mapping[str, datetime]
) -> tuple[StepResult, ...]:
    """All steps of a job in order, with those that have no result filled in.

    A step without a result is `blocked` when an earlier one did not pass, and else
    `aborted`. *begun* says when each step was started. Steps that nobody expected come last.
    """
    steps: list[StepResult] = []
    culprit: StepResult | None = None
    order = [*expected, *(testid for testid in found if testid not in expected)]
    for testid in order:
        step = found.get(testid) or _absent(testid, culprit, begun.get(testid))
        steps.append(step)
        if culprit is None and testid in found and step.status not in HARMLESS:
            culprit = step
    return tuple(steps)


def _absent(testid: str, culprit: StepResult | None, begun: datetime | None) -> StepResult:
    if begun:
        reason = "the run ended in the middle of this step"
        return StepResult(testid=testid, status=Status.ABORTED, started=begun, reason=reason)
    if culprit:
        reason = f"did not run: {culprit.testid} was {culprit.status}"
        return StepResult(testid=testid, status=Status.BLOCKED, reason=reason)
    reason = "did not run: the run ended before it"
    return StepResult(testid=testid, status=Status.ABORTED, reason=reason)
