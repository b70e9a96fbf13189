"""Judging a flight: osstest's rules over its failures, as pure functions over history.

Rewritten from what osstest's sg-report-flight does (`justifyfailures`), and from its README.email.
docs/judge.md explains each rule with an example.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from harness.judge.attempts import attempts
from harness.judge.evidence import Evidence, Failure
from harness.judge.history import FlightRecord, JobRecord
from harness.judge.judgement import Analysis, Judged, Judgement, outcome
from harness.judge.rules import MAX_FOLLOWED, is_build
from harness.judge.waiver import Waiver, fitting
from harness.status import Status

NONE_EXECUTED = "<none executed>"
"""osstest's testid for a job that did not pass although none of its steps says why."""
_NO_FAILURE = frozenset({Status.PASS, Status.SKIP})


def judge_flight(
    evidence: Evidence,
    *,
    waivers: Sequence[Waiver] = (),
    today: date,
    retries: int | None = None,
) -> Judged:
    """Judge every failure of the flight that *evidence* is about.

    *today*, in UTC, says which waivers hold. *retries*: see `attempts`.
    """
    question = _Question(evidence=evidence, waivers=waivers, today=today)
    flight = evidence.flight
    judgements = list(_judged(question, flight, retries))
    waiting = deque(question.cited)
    while waiting:
        followed = evidence.history.flight(waiting.popleft())
        before = len(question.cited)
        if followed:
            judgements += _judged(question, followed, None)
        waiting.extend(list(question.cited)[before:])
    return Judged(
        flight=flight.flight,
        baseline=evidence.baseline.flight if evidence.baseline else None,
        outcome=outcome(one.counts.status for one in attempts(flight.jobs, retries).values()),
        judgements=tuple(judgements),
        followed=tuple(question.cited),
    )


def _judged(question: _Question, flight: FlightRecord, retries: int | None) -> Iterator[Judgement]:
    for tried in attempts(flight.jobs, retries).values():
        if question.evidence.relevant(tried.counts):
            for failure in failures(tried.counts):
                yield question.judge(failure)


def failures(record: JobRecord) -> Iterator[Failure]:
    """The steps of a job that neither passed nor were skipped, in its order."""
    found = False
    for step in record.steps:
        if step.status not in _NO_FAILURE:
            found = True
            yield Failure(
                record=record,
                testid=step.testid,
                status=step.status,
                fingerprint=step.fingerprint,
            )
    if not found and record.status not in _NO_FAILURE:
        yield Failure(record=record, testid=NONE_EXECUTED, status=record.status)


class _Question:
    """One judgement under way: the same flight, baseline and rules for every failure in it."""

    def __init__(self, *, evidence: Evidence, waivers: Sequence[Waiver], today: date) -> None:
        self.evidence = evidence
        self.waivers = waivers
        self.today = today
        self.cited: dict[str, None] = {}
        """Flights that a "pass in" names, in the order in which they were met."""

    def judge(self, failure: Failure) -> Judgement:
        """What is to be said of one failure."""
        record = failure.record
        followed = record.flight != self.evidence.flight.flight
        match failure.status:
            case Status.BLOCKED:
                return self._said(failure, "n/a", Analysis.NONBLOCKING)
            case Status.STARVED:
                return self._said(failure, "", Analysis.NONBLOCKING)
            case Status.ABORTED:
                return self._unfinished(failure, followed=followed)
            case _ if failure.testid == NONE_EXECUTED:
                return self._said(failure, "", Analysis.BROKEN)
        judgement = self._compared(failure)
        if failure.status is Status.BROKEN and not followed and not judgement.blocking:
            # "Such failures are always regarded as regressions because they may mask other
            # problems" (README.email). What a followed flight was hit by is another matter:
            # that a step was broken there says nothing against this one.
            return replace(judgement, analysis=Analysis.BROKEN)
        return judgement

    def _unfinished(self, failure: Failure, *, followed: bool) -> Judgement:
        elsewhere = self.evidence.passed_elsewhere(failure) if followed else None
        if elsewhere is None:
            return self._said(failure, "", Analysis.UNFINISHED)
        words = f"pass in {elsewhere}"
        return self._said(failure, words, Analysis.NONBLOCKING, against=elsewhere)

    def _compared(self, failure: Failure) -> Judgement:
        """Of a step that failed or is broken: never pass, like, REGR., pass in, allowed."""
        if not self.evidence.ever_passed(failure):
            return self._said(failure, "never pass", Analysis.NONBLOCKING)
        compared, note = self.evidence.compared(failure)
        if not compared.regressed:
            return self._said(
                failure, compared.words, Analysis.NONBLOCKING, against=compared.against, note=note
            )
        if not is_build(failure.record.job):
            elsewhere = self.evidence.passed_elsewhere(failure)
            if elsewhere and self._may_follow(elsewhere):
                return self._said(
                    failure, f"pass in {elsewhere}", Analysis.HEISENBUG, against=elsewhere
                )
        excused = self._excused(failure, compared.words, compared.against, note)
        analysis = Analysis.BROKEN if failure.status is Status.BROKEN else Analysis.REGRESSION
        return excused or self._said(
            failure, compared.words, analysis, against=compared.against, note=note
        )

    def _may_follow(self, flight: str) -> bool:
        """Whether "pass in *flight*" may be believed; then that flight will be judged, too."""
        known = flight in self.cited or flight == self.evidence.flight.flight
        if known or len(self.cited) < MAX_FOLLOWED:
            if not known:
                self.cited[flight] = None
            return True
        return False

    def _excused(
        self, failure: Failure, words: str, against: str | None, note: str
    ) -> Judgement | None:
        """A regression that does not block: somebody answers for it, or it is in quarantine."""
        if failure.status is not Status.FAIL:
            return None
        waiver = self._waiver(failure)
        if waiver and self._holds(waiver):
            known = waiver.pattern is not None
            analysis = Analysis.KNOWN_ISSUE if known else Analysis.ALLOWABLE
            return self._said(failure, words, analysis, against=against, note=note)
        kept = self.evidence.quarantine(failure)
        if kept is None:
            return None
        said = self._said(failure, words, Analysis.QUARANTINED, against=against, note=note)
        return replace(said, quarantine=kept)

    def _waiver(self, failure: Failure) -> Waiver | None:
        """The waiver that is about *failure*: one that still holds and excuses, if there is one."""
        args = (failure.record.job, failure.testid, failure.fingerprint)
        found = list(fitting(self.waivers, *args))
        return min(found, key=lambda one: not self._holds(one), default=None)

    def _holds(self, waiver: Waiver) -> bool:
        return not waiver.blocks and not waiver.expired(self.today)

    def _said(
        self,
        failure: Failure,
        words: str,
        analysis: Analysis,
        *,
        against: str | None = None,
        note: str = "",
    ) -> Judgement:
        tested = failure.status in (Status.FAIL, Status.BROKEN)
        waiver = self._waiver(failure) if failure.status is Status.FAIL else None
        return Judgement(
            flight=failure.record.flight,
            job=failure.record.job,
            testid=failure.testid,
            status=failure.status,
            words=words,
            analysis=analysis,
            against=against,
            note=note,
            host=failure.record.host,
            fingerprint=failure.fingerprint,
            waiver=waiver,
            answered=waiver is not None and self._holds(waiver),
            rates=self.evidence.rates(failure) if tested else None,
        )
