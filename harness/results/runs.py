"""Jobs as they ran in flights, in little room: history in bulk, for pictures of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from harness.status import Status


class Timing(NamedTuple):
    """One phase of a step. *duration*: seconds.

    There are millions of these and of the next two: a tuple is small, and made fast.
    """

    name: str
    duration: float
    status: Status


class StepRun(NamedTuple):
    """One step of one run. *duration*: seconds."""

    testid: str
    status: Status
    duration: float
    failure_class: str | None = None
    phases: tuple[Timing, ...] = ()


class Run(NamedTuple):
    """One job in one flight, as it was judged: its last attempt."""

    flight: str
    job: str
    host: str | None
    started: datetime
    """Aware. Of a job that never began, when its flight did."""
    status: Status
    duration: float
    steps: tuple[StepRun, ...]
    revisions: Mapping[str, str]
    attempts: int = 1
    """How often it was tried in that flight."""
