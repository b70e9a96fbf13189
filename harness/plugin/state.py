"""What the plugin remembers about one pytest session, under typed keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.flight.model import JobSpec
from harness.flight.plan import Plan
from harness.results.layout import FlightDirectory
from harness.results.model import StepResult

REPORTS = Path("reports")


@dataclass(kw_only=True)
class FlightState:
    """One flight in this process: the controller's, or an xdist worker's."""

    plan: Plan
    files: FlightDirectory
    live: bool = False
    """Whether `xenflight run` shows a live view in place of pytest's own output."""
    culprits: dict[str, StepResult] = field(default_factory=dict)
    """For each job its first step that did not pass: what blocks the steps after it."""

    def job(self, name: str) -> JobSpec:
        """The job called *name*."""
        return next(job for job in self.plan.jobs if job.name == name)


STATE: pytest.StashKey[FlightState] = pytest.StashKey()


def state_of(config: pytest.Config) -> FlightState | None:
    """The flight of this session; None when pytest runs something else."""
    return config.stash.get(STATE, None)


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is one of xdist's workers."""
    return hasattr(config, "workerinput")
