"""Allure results of steps that pytest knows nothing of: leak checks.

allure-pytest writes one for each test function, while it runs; these are written beside them, in
the same words, when the flight is over.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from allure_commons.logger import AllureFileLogger
from allure_commons.model2 import Label, Parameter, StatusDetails, TestResult
from allure_commons.model2 import Status as AllureStatus
from allure_commons.types import LabelType
from allure_commons.utils import md5, uuid4

from harness.report.evidence import clean, one_line
from harness.results.model import FlightResult, StepResult
from harness.status import Status
from harness.steps import LEAK_CHECK

STATUSES = {
    Status.PASS: AllureStatus.PASSED,
    Status.FAIL: AllureStatus.FAILED,
    Status.BROKEN: AllureStatus.BROKEN,
    Status.ABORTED: AllureStatus.SKIPPED,
    Status.BLOCKED: AllureStatus.SKIPPED,
    Status.STARVED: AllureStatus.SKIPPED,
    Status.SKIP: AllureStatus.SKIPPED,
}
"""As allure-pytest has them: what did not run is skipped."""


def write_leak_checks(result: FlightResult, directory: Path) -> None:
    """Write those of all jobs, and the flight's, to Allure's *directory*; `OSError` if it can't."""
    checks = [
        (job.name, f"suites.{job.suite}", step)
        for job in result.jobs
        for step in job.steps
        if step.testid == LEAK_CHECK
    ]
    if result.leak_check:
        checks.append((result.flight, "flight", result.leak_check))
    logger = AllureFileLogger(directory)
    for whose, suite, step in checks:
        logger.report_result(_test(whose, suite, step, step.started or result.started))


def _test(whose: str, suite: str, step: StepResult, started: datetime) -> TestResult:
    full_name = f"{suite}.{step.testid}"
    found = TestResult(
        uuid=uuid4(),
        name=f"{step.testid}[{whose}]",
        fullName=full_name,
        testCaseId=md5(full_name),
        historyId=md5(f"{full_name}[{whose}]"),
        status=STATUSES[step.status],
        start=_milliseconds(started),
        stop=_milliseconds(started + timedelta(seconds=step.duration)),
        parameters=[Parameter(name="guest", value=repr(whose))],
    )
    if step.reason or step.evidence:
        found.statusDetails = StatusDetails(
            message=one_line(step.reason or ""), trace=clean(step.evidence)
        )
    labels = {LabelType.PARENT_SUITE: suite, LabelType.SUITE: "leak-check"}
    found.labels = [Label(name=name, value=value) for name, value in labels.items()]
    return found


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
