"""Is an upgrade safe? The same jobs as they went before it and after it, and what follows.

A pure function of results. It says "safe" only of what was seen to work on both sides, and "not
safe" only of what a guest did: whatever the lab did, or nobody saw, is neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.compare.compare import Round, compare_rounds, outcome
from harness.compare.model import Comparison, Outcome
from harness.compare.statistics import LEVEL, fisher
from harness.judge.history import VERDICTS
from harness.results.model import FlightResult, JobResult
from harness.results.rules import first_bad
from harness.status import EXIT_CODES, EXIT_NOTHING_RAN, Status, worst
from harness.steps import LEAK_CHECK


class Safety(StrEnum):
    """The answer."""

    SAFE = "safe"
    NOT_SAFE = "not safe"
    UNKNOWN = "can't tell"


class Fate(StrEnum):
    """What the upgrade did to a job."""

    GOOD = "passes on both"
    WORSE = "got worse"
    BETTER = "got better"
    AS_BEFORE = "fails as before"
    UNKNOWN = "can't be told"
    ASIDE = "has no before"
    """It did not run, or could not, before the upgrade: there is nothing to lose."""


@dataclass(frozen=True, kw_only=True)
class JobFate:
    """One job, over all rounds."""

    job: str
    fate: Fate
    before: tuple[Outcome, ...]
    """One for each round in which it was there."""
    after: tuple[Outcome, ...]
    why: str
    """In words; empty where it passes on both."""


@dataclass(frozen=True, kw_only=True)
class Upgrade:
    """The answer, and what it rests on."""

    safety: Safety
    why: str
    exit_code: int
    jobs: tuple[JobFate, ...]
    comparison: Comparison
    simulated: bool = False

    def of(self, fate: Fate) -> list[JobFate]:
        """The jobs of that fate."""
        return [job for job in self.jobs if job.fate is fate]


def judge_upgrade(rounds: Sequence[Round]) -> Upgrade:
    """The answer of *rounds*: each a flight before the upgrade, and one of the same jobs after it.

    At least one.
    """
    jobs = tuple(_fates(rounds))
    found = {fate: [job for job in jobs if job.fate is fate] for fate in Fate}
    passing = len(found[Fate.GOOD]) + len(found[Fate.BETTER])
    compared = passing + len(found[Fate.WORSE]) + len(found[Fate.AS_BEFORE])
    if worse := found[Fate.WORSE]:
        safety, code = Safety.NOT_SAFE, EXIT_CODES[Status.FAIL]
        why = f"{len(worse)} of {_jobs(compared)} that can be compared got worse"
    elif unknown := found[Fate.UNKNOWN]:
        safety, code = Safety.UNKNOWN, _code(unknown)
        why = f"of {_jobs(len(unknown))} it can't be told"
    elif not passing:
        safety, code = Safety.UNKNOWN, EXIT_NOTHING_RAN
        why = "no job passes after it" if compared else "no job ran on both sides"
    else:
        safety, code = Safety.SAFE, EXIT_CODES[Status.PASS]
        why = f"none of {_jobs(compared)} got worse, and {passing} passed each time after it"
    return Upgrade(
        safety=safety,
        why=why,
        exit_code=code,
        jobs=jobs,
        comparison=compare_rounds(rounds),
        simulated=any(flight.simulated for one in rounds for flight in one),
    )


def nothing_known(flight: FlightResult) -> bool:
    """Whether no job of it says anything of a guest, so that nothing can be compared with it."""
    return not any(job.status in VERDICTS for job in flight.jobs)


def _jobs(count: int) -> str:
    return f"{count} job{'' if count == 1 else 's'}"


def _code(unknown: Iterable[JobFate]) -> int:
    """As that of a flight whose jobs ended like what is in the way."""
    met = {one.status for job in unknown for one in (*job.before, *job.after)}
    found = met - VERDICTS - {Status.SKIP}
    return EXIT_CODES[worst(found)] if found else EXIT_NOTHING_RAN


def _fates(rounds: Sequence[Round]) -> Iterator[JobFate]:
    names = dict.fromkeys(job.name for one in rounds for flight in one for job in flight.jobs)
    by_name = [[{job.name: job for job in flight.jobs} for flight in one] for one in rounds]
    for name in names:
        seen: tuple[list[tuple[FlightResult, JobResult]], ...] = ([], [])
        for one, jobs in zip(rounds, by_name, strict=True):
            for side in (0, 1):
                if found := jobs[side].get(name):
                    seen[side].append((one[side], found))
        fate, why = _Case([job for _, job in seen[0]], [job for _, job in seen[1]], len(rounds))()
        before, after = (tuple(outcome(*one) for one in side) for side in seen)
        if fate is Fate.AS_BEFORE and not _alike(before, after):
            fate, why = Fate.UNKNOWN, "it fails in another way"
        yield JobFate(job=name, fate=fate, before=before, after=after, why=why)


def _alike(before: Iterable[Outcome], after: Iterable[Outcome]) -> bool:
    looks = {(one.step, one.look) for one in before if one.status is Status.FAIL}
    return looks >= {(one.step, one.look) for one in after if one.status is Status.FAIL}


class _Case:
    """One job: as it went *before*, and *after*."""

    def __init__(self, before: list[JobResult], after: list[JobResult], rounds: int) -> None:
        self._before = before
        self._after = after
        self._rounds = rounds

    def __call__(self) -> tuple[Fate, str]:
        """What became of it, and why that is said."""
        if not any(job.status is not Status.SKIP for job in self._before):
            return Fate.ASIDE, f"before: {_said(self._before)}"
        old, new = (_failures(side) for side in (self._before, self._after))
        if new and not old and _passes(self._before):
            return Fate.WORSE, f"fails {_times(new, self._after)}"
        if (in_the_way := self._missing()) or (in_the_way := self._lost()):
            return Fate.UNKNOWN, in_the_way
        if not new:
            fate = Fate.BETTER if old else Fate.GOOD
            return fate, f"failed {_times(old, self._before)}" if old else ""
        return self._fails(old, new)

    def _fails(self, old: int, new: int) -> tuple[Fate, str]:
        """It does so on both sides."""
        told = f"fails {_times(new, self._after)}, and {_times(old, self._before)} before"
        at, then = (min(map(_failed_at, side)) for side in (self._after, self._before))
        if old == len(self._before) and at < then:
            step = first_bad(min(self._after, key=_failed_at).steps)
            return Fate.WORSE, f"fails earlier: {step.testid if step else ''}"
        if fisher(new, len(self._after), old, len(self._before)) < LEVEL:
            return Fate.WORSE, told
        if new * len(self._before) > old * len(self._after):
            return Fate.UNKNOWN, f"{told}: too few times to say"
        return Fate.AS_BEFORE, told

    def _missing(self) -> str:
        """Where nothing is known of the guest; empty when something is each time."""
        for side, name in ((self._before, "before"), (self._after, "after")):
            if len(side) < self._rounds:
                return f"{name}: it was not run"
            if unknown := [job for job in side if job.status not in VERDICTS]:
                return f"{name}: {_said(unknown)}"
        return ""

    def _lost(self) -> str:
        """What passed before and was never tried after; that may be a failure that nobody saw."""
        if _failures(self._after):
            return ""
        passed = {step for job in self._before for step in _with(job, Status.PASS)}
        tried = {step for job in self._after for step in _with(job, Status.PASS)}
        skipped = {
            step.testid: step.reason or ""
            for job in self._after
            for step in job.steps
            if step.status is Status.SKIP
        }
        if lost := sorted((passed & skipped.keys()) - tried):
            return f"after: skips {', '.join(lost)}, which passed before: {skipped[lost[0]]}"
        return ""


def _with(job: JobResult, status: Status) -> set[str]:
    # A leak check that was not made says nothing of the guest.
    return {
        step.testid for step in job.steps if step.status is status and step.testid != LEAK_CHECK
    }


def _failures(side: Iterable[JobResult]) -> int:
    return sum(job.status is Status.FAIL for job in side)


def _passes(side: Iterable[JobResult]) -> int:
    return sum(job.status is Status.PASS for job in side)


def _times(count: int, side: Sequence[JobResult]) -> str:
    known = sum(job.status in VERDICTS for job in side)
    return "each time" if count == known else f"{count} of {known} times"


def _said(side: Sequence[JobResult]) -> str:
    """The worst of them, in its own words."""
    if not side:
        return "it was not run"
    status = worst(job.status for job in side)
    job = next(job for job in side if job.status is status)
    return f"{status}: {job.reason}" if job.reason else str(status)


def _failed_at(job: JobResult) -> int:
    """Which step of it was the first that did not pass; past all steps when none was."""
    bad = first_bad(job.steps)
    return job.steps.index(bad) if bad else len(job.steps)
