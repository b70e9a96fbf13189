"""The rules that turn statuses of steps into those of jobs and of the flight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from harness.results.model import HostFacts, JobResult, PhaseResult, StepResult
from harness.status import Status, worst
from harness.steps import LEAK_CHECK

HARMLESS = frozenset({Status.PASS, Status.SKIP})
LAB_PROBLEMS = "lab problems"
"""What problems of the lab are called where everything must belong to some job: in JUnit."""
FLIGHT = "flight"
"""What there is called the leak check of a whole flight."""


def host_of(hosts: Iterable[HostFacts], job: JobResult) -> HostFacts | None:
    """The one of a flight's *hosts* that *job* ran on; where that was not written down, the only
    one that there was."""
    known = tuple(hosts)
    found = [host for host in known if host.name == job.host] if job.host else known
    return found[0] if len(found) == 1 else None


def host_name(hosts: Iterable[HostFacts], job: JobResult) -> str | None:
    """The name of the host that *job* ran on, as far as it is known."""
    if job.host:
        return job.host
    host = host_of(hosts, job)
    return host.name if host else None


def problems_of(problems: tuple[str, ...], left: StepResult | None) -> tuple[str, ...]:
    """What is wrong with our lab and belongs to no step: *problems*, and what the flight *left*."""
    if left is None or left.status in HARMLESS:
        return problems
    return (*problems, f"{left.testid}: {left.reason or left.status}")


def first_bad(steps: Iterable[StepResult]) -> StepResult | None:
    """The first step that neither passed nor was skipped."""
    return next((step for step in steps if step.status not in HARMLESS), None)


def job_status(steps: Sequence[StepResult]) -> Status:
    """The word of the first step that did not pass; `skip` when nothing was proved.

    osstest's rule, with `skip` passed over. That nothing leaked proves nothing of the guest.
    """
    bad = first_bad(steps)
    return bad.status if bad else worst(s.status for s in steps if s.testid != LEAK_CHECK)


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
    `aborted`. *begun* says when each step was started. Steps that nobody expected come last, but
    before the leak check: it looks at what they left.
    """
    steps: list[StepResult] = []
    culprit: StepResult | None = None
    order = [*expected, *(testid for testid in found if testid not in expected)]
    order.sort(key=lambda testid: testid == LEAK_CHECK)
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


def phase_shift(step: StepResult) -> float:
    """Seconds before the step's begin at which the times of its phases begin.

    The first step of a job may have waited for its image and a slot: these are phases of it, but
    it began when it had them (docs/results.md).
    """
    return max(0.0, max(map(_end, step.phases), default=0.0) - step.duration)


def _end(phase: PhaseResult) -> float:
    return phase.started + phase.duration
