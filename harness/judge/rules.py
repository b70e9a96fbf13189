"""What a judgement can be asked to do otherwise: osstest's rules, or stricter ones."""

from __future__ import annotations

from dataclasses import dataclass

from harness.judge.history import Revisions, StepRun

WINDOW = 1000
"""How many runs are looked at in search of the baseline's revision: osstest's LIMIT
(findaflight in sg-report-flight)."""

MAX_FOLLOWED = 100
"""How many flights may be followed for a "pass in". More would mean that nearly everything is
intermittent, and then a pass elsewhere excuses nothing any more."""

_BUILD = "build-"


@dataclass(frozen=True, kw_only=True)
class QuarantineRule:
    """When a step is in quarantine, where its failures do not block."""

    failures: int = 2
    """It goes in after so many intermittent failures ..."""
    of: int = 10
    """... among its last so many runs,"""
    passes: int = 25
    """and out after so many passes one after the other."""
    streak: int = 3
    """So many failures one after the other are no longer intermittent, and do block."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How to judge. As it stands, these are osstest's own rules."""

    trees: frozenset[str] | None = None
    """The parts of the revisions that make two runs runs of the same; None: all of them."""
    blessings: tuple[str, ...] = ("real",)
    """Only flights with one of these count, and an earlier one here is believed before a later."""
    also: frozenset[str] = frozenset()
    """Branches that count as the flight's own (osstest: --branches-also)."""
    consistent: int = 0
    """How many runs, the baseline's and if need be those before it, must all have failed before
    "like N" excuses a failure. 0: one failure of the baseline is enough, as in osstest."""
    quarantine: QuarantineRule | None = None

    @property
    def strict(self) -> bool:
        """Whether a pass of the baseline counts for more than its failures."""
        return self.consistent > 0

    def of_trees(self, revisions: Revisions) -> frozenset[tuple[str, str]]:
        """What is to be equal in two runs of the same revision; empty when it is not known."""
        items = revisions.items()
        if self.trees is None:
            return frozenset(items)
        found = frozenset(item for item in items if item[0] in self.trees)
        return found if len(found) == len(self.trees) else frozenset()

    def counts(self, run: StepRun) -> bool:
        """Whether a run may be used as evidence."""
        return run.blessing in self.blessings

    def trust(self, run: StepRun) -> int:
        """Sort runs by this: the more trusted first. osstest sorts by blessing, too."""
        return self.blessings.index(run.blessing)


def is_build(job: str) -> bool:
    """Whether a job builds what others test: no pass elsewhere excuses its regression."""
    return job.startswith(_BUILD)
