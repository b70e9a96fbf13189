"""Since when something fails, and when it passed last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.history import VERDICTS
from harness.results.runs import Run
from harness.status import Status

FAILURES = frozenset({Status.FAIL, Status.BROKEN})


@dataclass(frozen=True, kw_only=True)
class Since:
    """How it went before one failure, as far as flights are known."""

    first: Run
    """The first failure after the last pass; of a step that never passed, the first of all."""
    times: int
    """Failures from there on, this one too."""
    passed: Run | None
    """The last pass; None: it never passed."""
    known: int
    """Earlier runs that came to a verdict, whatever it was."""

    @property
    def new(self) -> bool:
        """Whether this is the first failure after a pass, or the first run of all."""
        return self.times == 1


def status_in(run: Run, testid: str | None) -> Status | None:
    """The status of a step in *run*; of the whole job with None. None: it has no such step."""
    if testid is None:
        return run.status
    return next((step.status for step in run.steps if step.testid == testid), None)


def since(runs: Sequence[Run], flight: str, testid: str | None = None) -> Since | None:
    """Of the step (or of the job) that failed in *flight*; *runs* are its job's, newest first.

    What was blocked, skipped, starved or aborted says nothing. None when *flight* is not in *runs*.
    """
    at = next((at for at, run in enumerate(runs) if run.flight == flight), None)
    if at is None:
        return None
    first, times, passed = runs[at], 1, None
    for run in runs[at + 1 :]:
        status = status_in(run, testid)
        if status in FAILURES:
            first, times = run, times + 1
        elif status is Status.PASS:
            passed = run
            break
    known = sum(status_in(run, testid) in VERDICTS for run in runs[at + 1 :])
    return Since(first=first, times=times, passed=passed, known=known)
