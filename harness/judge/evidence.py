"""What history has to say about one failure: each question asked once, each answer kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from harness.judge.attempts import attempts
from harness.judge.compare import UNTESTED, Compared, Kind, compare, compare_strictly
from harness.judge.history import (
    VERDICTS,
    FlightRecord,
    History,
    JobRecord,
    Revisions,
    StepRun,
)
from harness.judge.judgement import Rates
from harness.judge.memory import newest_first
from harness.judge.quarantine import Quarantine, quarantine
from harness.judge.rates import rate
from harness.judge.rules import WINDOW, Rules, is_build
from harness.results.revisions import DEFINITION
from harness.status import Status

Items = frozenset[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A step that neither passed nor was skipped."""

    record: JobRecord
    testid: str
    status: Status
    fingerprint: str | None = None


class _Tested:
    """What a flight tested: the revisions of each job, and what all of them share."""

    def __init__(self, flight: FlightRecord, rules: Rules) -> None:
        self.flight = flight
        self.jobs = {
            job: rules.of_trees(tried.counts.revisions)
            for job, tried in attempts(flight.jobs).items()
        }

    @cached_property
    def shared(self) -> Items:
        """For jobs that the flight has not. Jobs of which nothing is known do not count, and how
        others are defined says nothing of these."""
        known = [items for items in self.jobs.values() if items]
        common = frozenset.intersection(*known) if known else frozenset()
        return frozenset(item for item in common if item[0] != DEFINITION)

    def same(self, job: str, items: Items) -> bool:
        """Whether a run of *job* with the revisions *items* is one of what was tested here."""
        mine = self.jobs.get(job)
        if mine is None:
            return bool(self.shared) and self.shared <= items
        return bool(mine) and mine == items


class _Seen(NamedTuple):
    """A run of a step, and what it is a run of."""

    run: StepRun
    this: bool
    """Of what is tested here."""
    that: bool
    """Of what the baseline tested."""


class Evidence:
    """History, as far as it is about *flight* and its *baseline* (None: there is none).

    With *named* only that flight itself is the baseline, and no other of its revision (osstest:
    --that-flight).
    """

    def __init__(
        self,
        flight: FlightRecord,
        history: History,
        rules: Rules,
        baseline: FlightRecord | None,
        *,
        named: bool = False,
    ) -> None:
        self.flight = flight
        self.history = history
        self.baseline = baseline
        self.named = named
        self._rules = rules
        self._branches = (flight.branch, *sorted(rules.also - {flight.branch}))
        self._this = _Tested(flight, rules)
        self._that = _Tested(baseline, rules) if baseline else None
        self._seen: dict[tuple[str, str], tuple[_Seen, ...]] = {}
        self._cut: set[tuple[str, str]] = set()
        """The steps that have more runs than were looked at."""
        self._passes: dict[str, tuple[JobRecord, ...]] = {}
        self._items: dict[int, tuple[Revisions, Items]] = {}

    def relevant(self, record: JobRecord) -> bool:
        """Whether a job of a flight that is judged says anything of what is tested here."""
        own = record.flight == self.flight.flight
        return own or self._this.same(record.job, self._tested(record.revisions))

    def ever_passed(self, failure: Failure) -> bool:
        """Whether the step passed on the branch, ever."""
        job, testid = failure.record.job, failure.testid
        if any(seen.run.status is Status.PASS for seen in self._of(job, testid)):
            return True
        return (job, testid) in self._cut and any(
            run.status is Status.PASS and self._rules.counts(run)
            for branch in self._branches
            for run in self.history.step_history(job, testid, branch, None)
        )

    def compared(self, failure: Failure) -> tuple[Compared, str]:
        """The word that the baseline gives the failure, and a remark or ""."""
        job, status = failure.record.job, failure.status
        if self._that is None:
            return UNTESTED, ""
        others = self._others(failure)
        runs = [seen.run for seen in others if seen.that]
        if not runs and job in self._that.jobs:
            # The job ran and has no such step: it ended before.
            word = "blocked in"
            against = self._that.flight.flight
            return Compared(kind=Kind.NOT_RUN_IN, word=word, against=against), ""
        runs.sort(key=self._rules.trust)
        build = is_build(job)
        if not self._rules.strict:
            return compare(status, runs, build=build), ""
        neither = [seen.run for seen in others if not seen.that and not seen.this]
        needed = self._rules.consistent
        return compare_strictly(status, runs, neither, needed=needed, build=build)

    def passed_elsewhere(self, failure: Failure) -> str | None:
        """Another flight in which the same revision passed the step: the newest of the most
        trusted; None if there is none, or the revision is not known."""
        for record in self._same_revision(failure.record.job):
            if record.flight != failure.record.flight and _passed(record, failure.testid):
                return record.flight
        return None

    def passes_here(self, job: str, testid: str) -> bool:
        """Whether the step passed with this revision, in any flight."""
        return any(_passed(record, testid) for record in self._same_revision(job))

    def ran_here(self, job: str, testid: str) -> bool:
        """Whether the step came to a verdict with this revision, in another flight."""
        return any(_ran(record, testid) for record in self._same_revision(job))

    def quarantine(self, failure: Failure) -> Quarantine | None:
        """The quarantine that the step is in, by the runs before this flight."""
        rule = self._rules.quarantine
        if rule is None:
            return None
        started = self.flight.started
        before = [seen.run for seen in self._others(failure) if seen.run.started < started]
        return quarantine(before, rule, lambda run: self._tested(run.revisions))

    def rates(self, failure: Failure) -> Rates:
        """How often the step passed, this flight's run apart."""
        seen = self._others(failure)
        host = failure.record.host
        return Rates(
            branch=rate(one.run for one in seen),
            host=rate(one.run for one in seen if one.run.host == host),
            revision=rate(one.run for one in seen if one.this),
        )

    def _of(self, job: str, testid: str) -> tuple[_Seen, ...]:
        """The runs of a step that count, the newest first."""
        key = (job, testid)
        if key not in self._seen:
            found: list[StepRun] = []
            for branch in self._branches:
                runs = self.history.step_history(job, testid, branch, WINDOW)
                self._cut |= {key} if len(runs) >= WINDOW else set()
                found += filter(self._rules.counts, runs)
            if len(self._branches) > 1:
                found.sort(key=newest_first)
            self._seen[key] = tuple(self._classified(job, run) for run in found[:WINDOW])
        return self._seen[key]

    def _others(self, failure: Failure) -> list[_Seen]:
        """The same without the run in question."""
        flight = failure.record.flight
        runs = self._of(failure.record.job, failure.testid)
        return [seen for seen in runs if seen.run.flight != flight]

    def _classified(self, job: str, run: StepRun) -> _Seen:
        items = self._tested(run.revisions)
        that = False
        if self._that:
            same = not self.named and self._that.same(job, items)
            that = same or run.flight == self._that.flight.flight
        return _Seen(run, self._this.same(job, items), that)

    def _tested(self, revisions: Revisions) -> Items:
        """`Rules.of_trees`, worked out once for all jobs that share one mapping."""
        known = self._items.get(id(revisions))
        if known is None:
            # The mapping is kept along with it, so that no other can get its id meanwhile.
            known = self._items[id(revisions)] = revisions, self._rules.of_trees(revisions)
        return known[1]

    def _same_revision(self, job: str) -> tuple[JobRecord, ...]:
        if job not in self._passes:
            self._passes[job] = tuple(self._find_same_revision(job))
        return self._passes[job]

    def _find_same_revision(self, job: str) -> Iterable[JobRecord]:
        items = self._this.jobs.get(job, self._this.shared)
        if not items:
            return []
        found = [
            record
            for record in self.history.passes_at(dict(items), job)
            if record.branch in self._branches
            and record.blessing in self._rules.blessings
            and self._this.same(job, self._tested(record.revisions))
        ]
        blessings = self._rules.blessings
        found.sort(key=lambda one: (blessings.index(one.blessing), *newest_first(one)))
        return found


def _passed(record: JobRecord, testid: str) -> bool:
    return any(step.testid == testid and step.status is Status.PASS for step in record.steps)


def _ran(record: JobRecord, testid: str) -> bool:
    return any(step.testid == testid and step.status in VERDICTS for step in record.steps)
