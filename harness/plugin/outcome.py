"""From what pytest saw of a step to its result."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from _pytest.outcomes import Skipped

from harness.errors import GuestFailure, HostOverloaded, XenflightError
from harness.results.model import StepResult
from harness.status import Status, worst
from harness.steps import StepRecord

PROPERTY = "xenflight-step"
"""Carries a `StepResult` as JSON in a report's user properties, from worker to controller."""
JOB_PROPERTY = "xenflight-job"
"""Carries what is known of a job once it is over."""
CHECKS_PROPERTY = "xenflight-leak-checks"
"""Carries `LeakChecks`, of whatever jobs: they are done some time after their jobs."""
TEARDOWN = "teardown"


def why_blocked(culprit: StepResult) -> str:
    """What a blocked step says of the step that did not pass."""
    return f"{culprit.testid} did not pass ({culprit.status})"


class BlockedStep(Skipped):
    """A step that can't run because an earlier one of its job did not pass.

    For pytest and Allure it is a skip, since nothing of it ran.
    """

    @classmethod
    def by(cls, culprit: StepResult) -> BlockedStep:
        """Blocked by *culprit*, which it cites."""
        return cls(f"blocked: {why_blocked(culprit)}")


def step_result(record: StepRecord, call: pytest.CallInfo[None]) -> StepResult:
    """The result of one phase (set-up, call, teardown) of a pytest item."""
    status, reason = Status.PASS, None
    if call.excinfo is not None:
        status, reason = judge(call.excinfo.value)
        take_details(record, call.excinfo.value)
    return StepResult.of(
        record,
        status=status,
        started=datetime.fromtimestamp(call.start, UTC),
        duration=call.duration,
        reason=reason,
    )


def judge(error: BaseException) -> tuple[Status, str]:
    """The status an exception stands for, and why in one line.

    A plain assertion in a suite is about the guest. Any other exception that we did not
    raise on purpose is a fault of ours, and a fault of ours never counts against a guest.
    """
    match error:
        case XenflightError():
            return error.status, str(error)
        case BlockedStep():
            return Status.BLOCKED, str(error.msg).removeprefix("blocked: ")
        case Skipped():
            return Status.SKIP, str(error.msg)
        case pytest.fail.Exception() | AssertionError():
            return Status.FAIL, _first_line(error)
        case KeyboardInterrupt() | pytest.exit.Exception():
            return Status.ABORTED, "interrupted by the operator"
        case BaseExceptionGroup():
            judged = [judge(one) for one in error.exceptions]
            status = worst(status for status, _ in judged)
            return status, "; ".join(reason for _, reason in judged)
        case _:
            return Status.BROKEN, f"{type(error).__name__}: {_first_line(error)}"


def take_details(record: StepRecord, error: BaseException) -> None:
    """Copy what a failure knows about itself into the step's record."""
    if isinstance(error, HostOverloaded):
        error = error.failure
    if isinstance(error, GuestFailure):
        record.failure_class = error.failure_class
        record.failed_phase = error.phase
        record.evidence = error.evidence


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")
