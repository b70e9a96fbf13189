"""Where in a recording each step and each phase began."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.results.model import StepResult
from harness.results.rules import phase_shift
from harness.site.paths import part
from harness.status import Status


class Mark(NamedTuple):
    """The begin of something."""

    id: str
    """Of the element in the page; a deep link ends with it."""
    time: float
    """Seconds since the recording began; negative when it was before that."""
    testid: str
    phase: str
    """Empty: of the step itself."""
    status: Status

    @property
    def label(self) -> str:
        """What it is called."""
        return f"{self.testid}: {self.phase}" if self.phase else self.testid


def mark_id(testid: str, phase: str = "") -> str:
    """The id of the mark for a step, or for a phase of it."""
    return f"phase-{part(testid)}-{part(phase)}" if phase else f"step-{part(testid)}"


def marks_of(steps: Sequence[StepResult], began: float) -> list[Mark]:
    """Those of all steps that began. *began*: seconds since the epoch, of the recording's begin."""
    return sorted(_marks(steps, began), key=lambda mark: mark.time)


def _marks(steps: Sequence[StepResult], began: float) -> Iterator[Mark]:
    for step in steps:
        if step.started is None or step.status in (Status.BLOCKED, Status.SKIP):
            continue
        start = step.started.timestamp() - began
        yield Mark(mark_id(step.testid), start, step.testid, "", step.status)
        shift = phase_shift(step)
        for phase in step.phases:
            at = start - shift + phase.started
            yield Mark(mark_id(step.testid, phase.name), at, step.testid, phase.name, phase.status)
