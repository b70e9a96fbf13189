"""From a flight and a policy to a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from harness import __version__
from harness.gate.case import Case, retries_that_count
from harness.gate.policy import Policy
from harness.gate.reasons import reasons
from harness.gate.verdict import (
    BaselineFacts,
    Gate,
    JudgementResult,
    PolicyFacts,
    RateResult,
    Reason,
    RetryResult,
    VerdictFile,
)
from harness.gate.waivers import waiver_remarks, waiver_results
from harness.judge.attempts import Attempts
from harness.judge.evidence import Evidence
from harness.judge.history import FlightRecord, History
from harness.judge.judge import judge_flight
from harness.judge.judgement import Analysis, Judgement
from harness.judge.rates import Rate
from harness.judge.rules import WINDOW, Rules
from harness.results.revisions import DEFINITION
from harness.status import EXIT_CODES, worst


def evaluate(
    flight: FlightRecord,
    history: History,
    policy: Policy,
    *,
    now: datetime,
    baseline: FlightRecord | None = None,
) -> VerdictFile:
    """Judge *flight*, and say whether it keeps to *policy*.

    *baseline*: the flight to compare with and no other; without one it is the last flight before
    whose gate opened, and that is to be trusted.
    """
    named, rules = baseline is not None, policy.rules(flight.blessing)
    baseline = baseline or last_baseline(flight, history, rules)
    evidence = Evidence(flight, history, rules, baseline, named=named)
    retries = retries_that_count(flight, policy)
    judged = judge_flight(evidence, waivers=policy.waivers, today=now.date(), retries=retries)
    case = Case(policy, evidence, judged, retries)
    return _verdict(case, tuple(reasons(case)), now)


def last_baseline(flight: FlightRecord, history: History, rules: Rules) -> FlightRecord | None:
    """The last flight before *flight* whose gate opened and whose blessing counts."""
    before = flight.started
    for _ in range(WINDOW):
        name = history.baseline(flight.branch, before)
        found = history.flight(name) if name else None
        if found is None or found.blessing in rules.blessings:
            return found
        before = found.started
    return None


def _verdict(case: Case, why: tuple[Reason, ...], now: datetime) -> VerdictFile:
    flight, that = case.flight, case.evidence.baseline
    waivers = waiver_results(case, now.date())
    return VerdictFile(
        harness_version=__version__,
        judged=now,
        flight=flight.flight,
        branch=flight.branch,
        blessing=flight.blessing,
        started=flight.started,
        revisions=_shared(flight),
        policy=PolicyFacts(name=case.policy.name, file=case.policy.source),
        baseline=BaselineFacts(
            flight=that.flight,
            named=case.evidence.named,
            started=that.started,
            revisions=_shared(that),
        )
        if that
        else None,
        gate=Gate.SHUT if why else Gate.OPEN,
        exit_code=EXIT_CODES[worst(reason.status for reason in why)] if why else 0,
        verdict="trouble" if why and case.judged.verdict == "tolerable" else case.judged.verdict,
        outcome=case.judged.outcome,
        reasons=why,
        judgements=tuple(_judgement(case, one) for one in case.judged.judgements),
        followed=case.judged.followed,
        waivers=waivers,
        retries=tuple(_retry(job, one) for job, one in case.jobs.items() if one.retries),
        remarks=(*waiver_remarks(waivers, now.date()), *_remarks(case)),
    )


def _remarks(case: Case) -> Iterator[str]:
    if case.retries < case.policy.retries:
        yield (
            f"more than {case.policy.retry_percent} % of the jobs were tried again; no retry counts"
        )
    for job, found in case.jobs.items():
        if found.passed_on_retry:
            yield f"{job} passed only when it was tried again"
    for one in case.judged.judgements:
        if one.analysis is Analysis.QUARANTINED:
            yield f"{one.job} {one.testid} is {one.quarantine}"


def _judgement(case: Case, one: Judgement) -> JudgementResult:
    rates = one.rates
    kinds = (
        {"branch": rates.branch, "host": rates.host, "revision": rates.revision} if rates else {}
    )
    return JudgementResult(
        flight=one.flight,
        job=one.job,
        testid=one.testid,
        status=one.status,
        summary=case.judged.summary(one),
        analysis=one.analysis,
        blocking=one.blocking,
        against=one.against,
        note=one.note,
        host=one.host,
        fingerprint=one.fingerprint,
        waiver=one.waiver.name if one.waiver else None,
        quarantined_since=one.quarantine.since if one.quarantine else None,
        changed=case.changed(one.job),
        rates={kind: _rate(found) for kind, found in kinds.items()},
    )


def _rate(rate: Rate) -> RateResult:
    return RateResult(passes=rate.passes, runs=rate.runs, low=rate.low, high=rate.high)


def _retry(job: str, found: Attempts) -> RetryResult:
    said = tuple(f"{one.status} on {one.host or 'no host'}" for one in found.all)
    return RetryResult(job=job, attempts=said, counts=found.counts.status)


def _shared(flight: FlightRecord) -> dict[str, str]:
    """What was under test in all jobs of a flight of which it is known."""
    known = [set(record.revisions.items()) for record in flight.jobs if record.revisions]
    common = sorted(set.intersection(*known)) if known else []
    return {tree: revision for tree, revision in common if tree != DEFINITION}
