"""From two flights to what is otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import exp, log
from statistics import median

from harness.compare.model import Change, Comparison, JobPair, Measure, Outcome
from harness.compare.statistics import FEWEST, holm, mcnemar, shift, wilcoxon
from harness.judge.history import VERDICTS
from harness.results.fingerprint import fingerprint, names_of
from harness.results.model import FlightResult, JobResult
from harness.results.rules import first_bad, host_of
from harness.site.changes import flight_changes
from harness.site.trend import WAITS
from harness.status import Status

SHORTEST = 0.05
"""Seconds. What took less is noise of ours."""

_CHANGES = {
    (Status.PASS, Status.PASS): Change.PASSES,
    (Status.PASS, Status.FAIL): Change.BROKE,
    (Status.FAIL, Status.PASS): Change.MENDED,
    (Status.FAIL, Status.FAIL): Change.FAILS,
}


Round = tuple[FlightResult, FlightResult]


def compare(a: FlightResult, b: FlightResult) -> Comparison:
    """Pair the jobs of *a* (the old one, say) and *b* by their names."""
    return compare_rounds([(a, b)])


def compare_rounds(rounds: Sequence[Round]) -> Comparison:
    """The same of jobs that ran several times on both sides: each time is a pair.

    What was under test, and which jobs there were, is told of the first. At least one.
    """
    (first_a, first_b), *_ = rounds
    pairs = [(one, *found) for one in rounds for found in _both(*one)]
    found = [_pair(a, b, old, new) for (a, b), old, new in pairs]
    changes = [pair.change for pair in found]
    olds, news = ([job.name for job in flight.jobs] for flight in (first_a, first_b))
    return Comparison(
        a=", ".join(a.flight_id for a, _ in rounds),
        b=", ".join(b.flight_id for _, b in rounds),
        changes=tuple((one.what, one.then, one.now) for one in flight_changes(first_a, first_b)),
        pairs=tuple(found),
        only_a=tuple(name for name in olds if name not in news),
        only_b=tuple(name for name in news if name not in olds),
        p=mcnemar(changes.count(Change.BROKE), changes.count(Change.MENDED)),
        measures=tuple(_measures((old, new) for _, old, new in pairs)),
        other_hosts=sum(
            bool(one.a.host and one.b.host and one.a.host != one.b.host) for one in found
        ),
        rounds=len(rounds),
    )


def _both(a: FlightResult, b: FlightResult) -> Iterator[tuple[JobResult, JobResult]]:
    news = {job.name: job for job in b.jobs}
    return ((job, news[job.name]) for job in a.jobs if job.name in news)


def _pair(a: FlightResult, b: FlightResult, old: JobResult, new: JobResult) -> JobPair:
    known = old.status in VERDICTS and new.status in VERDICTS
    return JobPair(
        job=old.name,
        a=outcome(a, old),
        b=outcome(b, new),
        change=_CHANGES[old.status, new.status] if known else Change.UNKNOWN,
    )


def outcome(flight: FlightResult, job: JobResult) -> Outcome:
    """What became of *job* in *flight*."""
    bad = first_bad(job.steps)
    host = host_of(flight.hosts, job)
    return Outcome(
        status=job.status,
        step=bad.testid if bad else None,
        look=(fingerprint(bad, names_of(flight, job)) or bad.reason) if bad else job.reason,
        host=host.name if host else job.host,
    )


def _measures(jobs: Iterable[tuple[JobResult, JobResult]]) -> Iterator[Measure]:
    times: dict[str, list[tuple[float, float]]] = {}
    for old, new in jobs:
        before, after = _times(old), _times(new)
        for name in after:
            if name in before:
                times.setdefault(name, []).append((before[name], after[name]))
    differences = {name: [log(b / a) for a, b in found] for name, found in times.items()}
    ps = {name: wilcoxon(found) for name, found in differences.items()}
    # Questions that too few pairs could answer are not asked, and do not count.
    asked = [name for name, found in differences.items() if len(found) >= FEWEST]
    adjusted = dict(zip(asked, holm([ps[name] for name in asked]), strict=True))
    for name, found in times.items():
        ratio, low, high = (exp(one) for one in shift(differences[name]))
        yield Measure(
            name=name,
            pairs=len(found),
            a=median(a for a, _ in found),
            b=median(b for _, b in found),
            ratio=ratio,
            low=low,
            high=high,
            p=ps[name],
            adjusted=adjusted.get(name, 1.0),
            enough=name in adjusted,
        )


def _times(job: JobResult) -> dict[str, float]:
    """How long each step that passed took, and each of its phases; waits left out."""
    found: dict[str, float] = {}
    for step in job.steps:
        if step.status is not Status.PASS:
            continue
        found[step.testid] = step.duration
        for phase in step.phases:
            if phase.status is Status.PASS and phase.name not in WAITS:
                found[f"{step.testid}: {phase.name}"] = phase.duration
    return {name: seconds for name, seconds in found.items() if seconds >= SHORTEST}
