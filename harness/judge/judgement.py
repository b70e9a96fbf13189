"""What is said of each failure, and of a flight as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from harness.judge.quarantine import Quarantine
from harness.judge.rates import Rate
from harness.judge.waiver import Waiver
from harness.status import Status


class Analysis(StrEnum):
    """How much of a problem a failure is; osstest's words (X-Osstest-Failures) where it has one."""

    REGRESSION = "regression"
    """New since the baseline. Blocks."""
    BROKEN = "broken"
    """Our lab or our harness failed. Always blocks, because it may mask other problems."""
    UNFINISHED = "unfinished"
    """The flight ended before the step. Blocks."""
    HEISENBUG = "heisenbug"
    """It passed with the same revision in another flight."""
    ALLOWABLE = "allowable"
    """A regression that somebody answers for."""
    KNOWN_ISSUE = "known-issue"
    """One that is recognised by what it looks like."""
    QUARANTINED = "quarantined"
    """A regression of a step that is known to fail now and then."""
    NONBLOCKING = "nonblocking"
    """No regression."""


BLOCKING = frozenset({Analysis.REGRESSION, Analysis.BROKEN, Analysis.UNFINISHED})


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How often a step passed: on its branch, there on this host, and with this revision."""

    branch: Rate
    host: Rate
    revision: Rate


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What history says of one step that did not pass."""

    flight: str
    """The flight it is of: the one that is judged, or one that was followed."""
    job: str
    testid: str
    status: Status
    words: str
    """What osstest would say after the status, such as ``REGR. vs 58530``."""
    analysis: Analysis
    against: str | None = None
    """The flight that *words* name."""
    note: str = ""
    """What else is to be known, as a sentence without its full stop."""
    host: str | None = None
    fingerprint: str | None = None
    waiver: Waiver | None = None
    """The one that is about it, though it may have expired, or only give it a name."""
    answered: bool = False
    """Whether that waiver holds and excuses it, needed or not."""
    quarantine: Quarantine | None = None
    rates: Rates | None = None

    @property
    def blocking(self) -> bool:
        """Whether it keeps a gate shut."""
        return self.analysis in BLOCKING


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A flight, judged. The order of *judgements* is that of jobs, and of steps in a job; those of
    followed flights come last."""

    flight: str
    baseline: str | None
    outcome: str
    """osstest's words for it: ``all pass``, ``FAIL``, ``ALL FAIL`` or ``trouble: a/b``."""
    judgements: tuple[Judgement, ...]
    followed: tuple[str, ...] = ()
    """Flights that were judged too, because a "pass in" cites them."""

    @property
    def verdict(self) -> str:
        """``tolerable``, ``regressions``, or ``trouble`` when it is only our own fault."""
        found = {one.analysis for one in self.judgements if one.blocking}
        if Analysis.REGRESSION in found:
            return "regressions"
        return "trouble" if found else "tolerable"

    def summary(self, one: Judgement) -> str:
        """``fail REGR. vs 58530``; of a followed flight ``fail in 58948 pass in 58965``."""
        where = "" if one.flight == self.flight else f" in {one.flight}"
        return f"{one.status}{where} {one.words}".rstrip()


def outcome(statuses: Iterable[Status]) -> str:
    """A flight's outcome, of the statuses of its jobs: osstest's rule (examineflight in
    sg-report-flight). Jobs that were skipped say nothing, unless all were."""
    found = set(statuses)
    words = found - {Status.SKIP} or found
    if words == {Status.PASS}:
        return "all pass"
    if words == {Status.FAIL}:
        return "ALL FAIL"
    if Status.PASS in words and words <= {Status.PASS, Status.FAIL, Status.BLOCKED}:
        return "FAIL"
    return f"trouble: {'/'.join(sorted(words)) or 'nothing ran'}"
