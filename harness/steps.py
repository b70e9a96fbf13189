"""Steps as data: what happened, in which phase, for how long.

Drivers record into a `StepRecord`; reporters read it. Neither knows the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from harness.status import Status
from harness.wait import SYSTEM_CLOCK, Clock

LEAK_CHECK = "leak-check/check"
"""The testid, osstest's, of the last step of every job: what is still on the host, and whose."""


@dataclass(frozen=True, kw_only=True)
class PhaseTiming:
    """One timed part of a step, such as the ``kernel`` phase of a boot. Seconds."""

    name: str
    started: float
    """Seconds since the step began."""
    duration: float
    status: Status = Status.PASS


@dataclass(kw_only=True)
class StepRecord:
    """What one step of a job did; filled in while it runs.

    *evidence* is shown as it is (last console lines); *facts* are runvars stored by the
    step: small texts such as ``guest_ip``.
    """

    job: str
    testid: str
    phases: list[PhaseTiming] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    failure_class: str | None = None
    failed_phase: str | None = None
    evidence: str = ""
    clock: Clock = field(default=SYSTEM_CLOCK, repr=False)
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock.monotonic()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a part of the step; a part that raises is recorded as failed."""
        started = self.clock.monotonic()
        status = Status.FAIL
        try:
            yield
            status = Status.PASS
        finally:
            self.add_phase(name, started, self.clock.monotonic(), status)

    def add_phase(self, name: str, started: float, ended: float, status: Status) -> None:
        """Record a part that was timed elsewhere; *started* and *ended* are clock readings."""
        self.phases.append(
            PhaseTiming(
                name=name, started=started - self.began, duration=ended - started, status=status
            )
        )
