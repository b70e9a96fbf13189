"""Why a gate is shut: each function gives the reasons of one kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.gate.case import Case
from harness.gate.demands import coverage, never_ran, required
from harness.gate.schema import Reaction
from harness.gate.verdict import Reason, ReasonKind
from harness.judge.judgement import Analysis
from harness.status import Status

_KINDS = {
    Analysis.REGRESSION: (ReasonKind.REGRESSION, Status.FAIL),
    Analysis.BROKEN: (ReasonKind.BROKEN, Status.BROKEN),
    Analysis.UNFINISHED: (ReasonKind.UNFINISHED, Status.ABORTED),
}
_SILENT = frozenset({Status.SKIP, Status.STARVED, Status.BLOCKED})


def reasons(case: Case) -> Iterator[Reason]:
    """All reasons, the most telling kinds first; none when the gate is open."""
    for kind in _ALL:
        yield from kind(case)


def _judgements(case: Case) -> Iterator[Reason]:
    """What blocks; of a job that was cut short only the first step that it did not end."""
    cut_short: set[tuple[str, str]] = set()
    for one in case.judged.judgements:
        again = (one.flight, one.job) in cut_short
        if one.analysis is Analysis.UNFINISHED:
            cut_short.add((one.flight, one.job))
        if one.blocking and not (again and one.analysis is Analysis.UNFINISHED):
            kind, status = _KINDS[one.analysis]
            elsewhere = one.flight if one.flight != case.flight.flight else None
            yield Reason(
                kind=kind,
                status=status,
                text=case.judged.summary(one),
                job=one.job,
                testid=one.testid,
                flight=elsewhere,
            )


def _problems(case: Case) -> Iterator[Reason]:
    for text in case.flight.problems:
        yield Reason(kind=ReasonKind.BROKEN, status=Status.BROKEN, text=text)


def _unfinished(case: Case) -> Iterator[Reason]:
    if not case.flight.ended:
        text = "the flight did not come to its end"
        yield Reason(kind=ReasonKind.UNFINISHED, status=Status.ABORTED, text=text)


def _nothing_ran(case: Case) -> Iterator[Reason]:
    """A flight that proved nothing. Failures and lab faults have reasons of their own."""
    statuses = {found.counts.status for found in case.jobs.values()}
    if statuses - _SILENT:
        return
    status = Status.STARVED if Status.STARVED in statuses else Status.SKIP
    text = "no job came to a verdict"
    yield Reason(kind=ReasonKind.NOTHING_RAN, status=status, text=text)


def _no_baseline(case: Case) -> Iterator[Reason]:
    if case.evidence.baseline or case.policy.no_baseline is Reaction.REPORT:
        return
    for one in case.own():
        new = one.status is Status.FAIL and one.analysis is Analysis.NONBLOCKING
        if new and not one.answered:
            yield Reason(
                kind=ReasonKind.NO_BASELINE,
                status=Status.FAIL,
                text=f"{case.judged.summary(one)}, and no flight before opened the gate",
                job=one.job,
                testid=one.testid,
            )


_ALL: tuple[Callable[[Case], Iterator[Reason]], ...] = (
    _judgements,
    _problems,
    _unfinished,
    _nothing_ran,
    _no_baseline,
    required,
    coverage,
    never_ran,
)
