"""Our words in Allure's."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import allure_commons
from allure_commons.model2 import Status as AllureStatus

from harness.status import Status

STATUSES = {
    Status.PASS: AllureStatus.PASSED,
    Status.FAIL: AllureStatus.FAILED,
    Status.BROKEN: AllureStatus.BROKEN,
    Status.ABORTED: AllureStatus.UNKNOWN,
    Status.BLOCKED: AllureStatus.SKIPPED,
    Status.STARVED: AllureStatus.SKIPPED,
    Status.SKIP: AllureStatus.SKIPPED,
}
"""What did not run is skipped; of what was cut short nothing is known."""
LABEL = "xenflight"
"""Of a result: which step of which attempt it is of."""


class Key(NamedTuple):
    """One step of one attempt. *attempt* counts from 1."""

    job: str
    testid: str
    attempt: int

    def __str__(self) -> str:
        return f"{self.job} {self.testid} {self.attempt}"


def tag_step(key: Key) -> None:
    """Mark the result that allure-pytest writes of the step that begins in this process."""
    allure_commons.plugin_manager.hook.add_label(label_type=LABEL, labels=(str(key),))


def milliseconds(time: datetime) -> int:
    """As Allure has times."""
    return round(time.timestamp() * 1000)
