"""What a comparison found, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.status import Status


class Change(StrEnum):
    """How a job went in A and in B."""

    BROKE = "broke"
    """It passed in A, and a guest misbehaved in B."""
    MENDED = "mended"
    FAILS = "fails in both"
    PASSES = "passes in both"
    UNKNOWN = "not comparable"
    """On one side at least nothing is known of the guest: broken, blocked, starved, skipped,
    aborted."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a job on one side."""

    status: Status
    step: str | None = None
    """The first step that neither passed nor was skipped."""
    look: str | None = None
    """Its failure's fingerprint, or what it said."""
    host: str | None = None


@dataclass(frozen=True, kw_only=True)
class JobPair:
    """A job of both flights."""

    job: str
    a: Outcome
    b: Outcome
    change: Change

    @property
    def otherwise(self) -> bool:
        """Whether it fails in both, but not in the same way."""
        return self.change is Change.FAILS and (self.a.step, self.a.look) != (
            self.b.step,
            self.b.look,
        )


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How long a step, or a phase of one, took: B over A, job by job. Seconds."""

    name: str
    pairs: int
    a: float
    """The median."""
    b: float
    ratio: float
    """The Hodges-Lehmann estimate: 1.2 is a fifth longer in B."""
    low: float
    high: float
    """Of the ratio, with 95 % confidence."""
    p: float
    """Wilcoxon's, for this question alone."""
    adjusted: float
    """Holm's, for all questions of this comparison."""
    enough: bool
    """Whether so many pairs can show anything."""

    @property
    def differs(self) -> bool:
        """Whether there is more to it than chance explains, 5 % being the limit."""
        return self.enough and self.adjusted < 0.05


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The whole of it."""

    a: str
    b: str
    """The ids of the flights."""
    changes: tuple[tuple[str, str, str], ...]
    """What was under test otherwise: what, in A, in B."""
    pairs: tuple[JobPair, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    p: float
    """McNemar's, of as many jobs breaking and being mended by chance."""
    measures: tuple[Measure, ...]
    """In the order of the steps."""
    other_hosts: int
    """Pairs that did not run on the same host."""
    rounds: int = 1
    """How often each job ran on each side."""

    def of(self, change: Change) -> list[JobPair]:
        """The pairs that changed like that."""
        return [pair for pair in self.pairs if pair.change is change]
