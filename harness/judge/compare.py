"""One failure held against the runs of the baseline: osstest's table of words.

From osstest's sg-report-flight (`findaflight` and its callers) and README.email. Of several runs
with the baseline's revision each gives a word, and the most telling word wins; among equal ones,
that of the newest run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.judge.history import VERDICTS, StepRun
from harness.status import Status


class Kind(StrEnum):
    """What the baseline says of a failure; the most telling first."""

    BUILD_REGRESSION = "build-regression"
    """As below, of a build."""
    LIKE = "like"
    """It ended in the same way."""
    FAILED_IN = "failed-in"
    """It is broken here and failed there."""
    BROKEN_IN = "broken-in"
    """It failed here and was broken there."""
    REGRESSION = "regression"
    """It passed."""
    NOT_RUN_IN = "not-run-in"
    """It did not come to a verdict, most often because an earlier step did not pass."""
    UNTESTED = "untested"
    """There is no such run."""


_RANK = {kind: rank for rank, kind in enumerate(Kind)}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The word for a failure, such as ``REGR. vs``, and the flight it was held against."""

    kind: Kind
    word: str
    against: str | None = None

    @property
    def words(self) -> str:
        """Such as ``REGR. vs 58530``."""
        return f"{self.word} {self.against}" if self.against else self.word

    @property
    def regressed(self) -> bool:
        """Whether the baseline did better."""
        return self.kind in (Kind.REGRESSION, Kind.BUILD_REGRESSION)


UNTESTED = Compared(kind=Kind.UNTESTED, word="baseline untested")


def compare(status: Status, runs: Sequence[StepRun], *, build: bool = False) -> Compared:
    """What *runs* of the baseline's revision, the newest first, say of a step that ended as
    *status*, `fail` or `broken`. *build*: whether the job is one that builds."""
    found = (_one(status, run, build=build) for run in runs)
    return min([*found, UNTESTED], key=lambda one: _RANK[one.kind])


def _one(status: Status, run: StepRun, *, build: bool) -> Compared:
    match run.status:
        case Status.PASS:
            kind = Kind.BUILD_REGRESSION if build else Kind.REGRESSION
            return Compared(kind=kind, word="REGR. vs", against=run.flight)
        case same if same is status:
            return Compared(kind=Kind.LIKE, word="like", against=run.flight)
        case Status.FAIL:
            return Compared(kind=Kind.FAILED_IN, word="failed in", against=run.flight)
        case Status.BROKEN:
            return Compared(kind=Kind.BROKEN_IN, word="broken in", against=run.flight)
        case other:
            # osstest has no row for a step that did not run, and calls that "blocked in".
            return Compared(kind=Kind.NOT_RUN_IN, word=f"{other} in", against=run.flight)


def compare_strictly(
    status: Status,
    runs: Sequence[StepRun],
    others: Sequence[StepRun],
    *,
    needed: int,
    build: bool = False,
) -> tuple[Compared, str]:
    """The same, but that a failure of the baseline excuses nothing unless it is consistent.

    It is when the step failed in all of the baseline's runs, and *needed* of them at least; where
    there are fewer, the runs of *others* before them are counted in (*others*: all runs of the
    step with other revisions, the newest first, any of which passed). Also gives a remark on why
    a failure that was seen in the baseline does not excuse this one, else "".
    """
    plain = compare(status, runs, build=build)
    passed = next((run for run in runs if run.status is Status.PASS), None)
    if passed:
        seen = [run.flight for run in runs if run.status is status]
        note = f"also {status} in {seen[0]}, but not consistently" if seen else ""
        return _one(status, passed, build=build), note
    if plain.kind is not Kind.LIKE or status is not Status.FAIL:
        return plain, ""
    verdicts = [run for run in runs if run.status in VERDICTS]
    oldest = min(run.started for run in verdicts)
    earlier = [run for run in others if run.started < oldest and run.status in VERDICTS]
    verdicts += earlier[: max(0, needed - len(verdicts))]
    passed = next((run for run in (*verdicts, *others) if run.status is Status.PASS), None)
    consistent = len(verdicts) >= needed and all(run.status is Status.FAIL for run in verdicts)
    if consistent or passed is None:
        return plain, ""
    return _one(status, passed, build=build), f"{plain.words}, but not consistently before it"
