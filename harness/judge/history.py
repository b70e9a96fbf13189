"""What judgement asks of history, and the records it gets.

`History` is the whole of it: the store answers it from its tables, `memory.MemoryHistory` from
records in memory, `runs.load_runs` from the directories that flights leave. Of all methods that
give several things the newest comes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from harness.status import Status

Revisions = Mapping[str, str]
"""What was under test, such as ``{"xen": "4.17.5", "dom0": "6.1.0-47-amd64", "image": "0f3c"}``."""

VERDICTS = frozenset({Status.PASS, Status.FAIL})
"""The statuses that say something of the thing under test."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRecord:
    """What became of one step of a job. *duration*: seconds."""

    testid: str
    status: Status
    duration: float = 0.0
    fingerprint: str | None = None
    """What the failure looks like, with all that changes from run to run taken out
    (`harness.results.fingerprint`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRecord:
    """One run of a job. A job that was tried again has several in its flight, one an attempt."""

    flight: str
    branch: str
    blessing: str
    job: str
    host: str | None
    """None: it never had one."""
    started: datetime
    """Aware. Of a job that never began, when its flight did."""
    revisions: Revisions = field(hash=False)
    """Empty when it is not known."""
    steps: tuple[StepRecord, ...]
    status: Status


@dataclass(frozen=True, kw_only=True, slots=True)
class FlightRecord:
    """One flight with all its jobs, each attempt a record of its own, in any order."""

    flight: str
    branch: str
    blessing: str
    started: datetime
    jobs: tuple[JobRecord, ...]
    ended: bool = True
    """Whether it came to its end: false while it runs, or when the operator or somebody else
    ended it."""
    problems: tuple[str, ...] = ()
    """What was wrong with our lab and belongs to no step."""
    gate_open: bool | None = None
    """What the gate said of it; None: it was never asked."""


class StepRun(NamedTuple):
    """One run of one step, and where and with what it ran.

    There are thousands of these for a single judgement: a tuple is made three times as fast as a
    frozen dataclass.
    """

    flight: str
    branch: str
    blessing: str
    host: str | None
    started: datetime
    """Of the job."""
    revisions: Revisions
    status: Status
    fingerprint: str | None = None


class History(Protocol):
    """What happened so far. Flights that are still running may be in it."""

    def flights(self, branch: str, before: datetime | None, limit: int) -> Sequence[str]:
        """The ids of the last *limit* flights of *branch* that started before *before*."""

    def flight(self, flight: str) -> FlightRecord | None:
        """All of one flight; None when there is no such."""

    def job_history(self, job: str, branch: str, limit: int) -> Sequence[JobRecord]:
        """The last *limit* runs of *job* on *branch*."""

    def step_history(
        self, job: str, testid: str, branch: str, limit: int | None
    ) -> Sequence[StepRun]:
        """The last *limit* runs of a step on *branch*; all of them with None.

        A run in which the step was blocked counts; one that had no such step does not.
        """

    def baseline(self, branch: str, before: datetime) -> str | None:
        """The last flight of *branch* that started before *before* and whose gate opened."""

    def passes_at(self, revisions: Revisions, job: str) -> Sequence[JobRecord]:
        """The runs of *job*, on any branch, in which some step passed and whose revisions
        include all of *revisions*; none for no revisions."""
