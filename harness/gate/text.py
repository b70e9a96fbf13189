"""A verdict for people: osstest's mail, on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness.gate.verdict import (
    JudgementResult,
    ReasonKind,
    VerdictFile,
    WaiverResult,
)
from harness.judge.judgement import Analysis
from harness.judge.rates import Rate
from harness.report.evidence import one_line
from harness.status import Status

SECTIONS: tuple[tuple[str, frozenset[Analysis]], ...] = (
    (
        "Tests which did not succeed and are blocking",
        frozenset({Analysis.REGRESSION, Analysis.BROKEN, Analysis.UNFINISHED}),
    ),
    ("Tests which are failing intermittently (not blocking)", frozenset({Analysis.HEISENBUG})),
    (
        "Regressions which are regarded as allowable (not blocking)",
        frozenset({Analysis.ALLOWABLE, Analysis.KNOWN_ISSUE, Analysis.QUARANTINED}),
    ),
    (
        "Tests which did not succeed, but are not blocking",
        frozenset({Analysis.NONBLOCKING}),
    ),
)
_TOLD = frozenset({ReasonKind.REGRESSION, ReasonKind.BROKEN, ReasonKind.UNFINISHED})
"""Reasons that stand among the judgements already, when they name a job."""


def verdict_text(verdict: VerdictFile) -> str:
    """The whole of it. Whatever came from a guest or a host is cleaned first."""
    return "\n".join(_lines(verdict)) + "\n"


def _lines(verdict: VerdictFile) -> Iterator[str]:
    yield f"[{one_line(verdict.branch)}] flight {one_line(verdict.flight)}: {_subject(verdict)}"
    yield from _about(verdict)
    waivers = {waiver.name: waiver for waiver in verdict.waivers}
    for title, analyses in SECTIONS:
        found = [one for one in verdict.judgements if one.analysis in analyses]
        yield from _section(title, found, waivers)
    if others := list(other_reasons(verdict)):
        yield from ("", "What else keeps the gate shut:")
        yield from (f"  {text}" for text in others)
    for title, texts in (("Tried again", _retries(verdict)), ("To see to", verdict.remarks)):
        if texts:
            yield from ("", f"{title}:")
            yield from (f"  {one_line(text)}" for text in texts)
    yield ""
    code = f"(exit code {verdict.exit_code})"
    yield f"gate of {one_line(verdict.branch)}: {verdict.gate} {code}"


def other_reasons(verdict: VerdictFile) -> Iterator[str]:
    """What keeps the gate shut and is no judgement of a step."""
    for reason in verdict.reasons:
        if not reason.job or reason.kind not in _TOLD:
            job = f"{one_line(reason.job)}: " if reason.job else ""
            yield f"{reason.kind}: {job}{one_line(reason.text)}"


def _subject(verdict: VerdictFile) -> str:
    """As in the subject of osstest's mails."""
    match verdict.verdict:
        case "regressions":
            return f"regressions - {verdict.outcome}"
        case "tolerable" if verdict.judgements:
            return f"tolerable {verdict.outcome}"
        case _:
            return verdict.outcome


def _about(verdict: VerdictFile) -> Iterator[str]:
    policy = verdict.policy
    yield f"  policy: {policy.name}" + (f" ({policy.file})" if policy.file else "")
    baseline = verdict.baseline
    if baseline:
        how = "as named" if baseline.named else "the last whose gate opened"
        yield f"  baseline: {one_line(baseline.flight)}, {how}"
    else:
        yield "  baseline: none: no flight of this branch opened the gate before"
    old = baseline.revisions if baseline else {}
    for tree, revision in verdict.revisions.items():
        was = f" (was {one_line(old[tree])})" if old.get(tree, revision) != revision else ""
        yield f"  {tree}: {one_line(revision)}{was}"


def _section(
    title: str, found: Sequence[JudgementResult], waivers: dict[str, WaiverResult]
) -> Iterator[str]:
    if not found:
        return
    rest, hidden = shown(found)
    yield from ("", f"{title}:")
    jobs = max((len(one.job) for one in rest), default=0)
    steps = max((len(one.testid) for one in rest), default=0)
    for one in rest:
        job, step = one_line(one.job), one_line(one.testid)
        yield f"  {job:<{jobs}}  {step:<{steps}}  {one_line(one.summary)}"
        yield from (f"      {one_line(text)}" for text in _details(one, waivers))
    for word, count in hidden.items():
        yield f"  {count} {'step' if count == 1 else 'steps'} {word}"


def shown(
    found: Sequence[JudgementResult],
) -> tuple[list[JudgementResult], Counter[str]]:
    """Those with a line of their own, and how many others there are: steps that only came after
    one that did not pass, or after the flight's end."""
    shown: list[JudgementResult] = []
    hidden: Counter[str] = Counter()
    cut_short: set[tuple[str, str]] = set()
    for one in found:
        job = one.flight, one.job
        if one.status is Status.BLOCKED:
            hidden["blocked by an earlier one"] += 1
        elif one.status is Status.ABORTED and job in cut_short:
            hidden["not reached"] += 1
        else:
            shown.append(one)
            cut_short |= {job} if one.status is Status.ABORTED else set()
    return shown, hidden


def _details(one: JudgementResult, waivers: dict[str, WaiverResult]) -> Iterator[str]:
    if one.note:
        yield one.note
    if one.fingerprint:
        yield one.fingerprint
    if one.changed and one.analysis is Analysis.REGRESSION:
        yield f"changed since the baseline: {', '.join(one.changed)}"
    if one.waiver in waivers:
        waiver = waivers[one.waiver]
        link = f", {waiver.link}" if waiver.link else ""
        yield f"{waiver.kind} {waiver.name} until {waiver.expires}, {waiver.owner}: " + (
            f"{waiver.reason}{link}"
        )
    yield from _rates(one)


def _rates(one: JudgementResult) -> Iterator[str]:
    """How often it passed before: on the branch, and where else that says something else."""
    kinds = {"branch": "on this branch", "host": f"on {one.host}", "revision": "with this revision"}
    told = {kind: rate for kind, rate in one.rates.items() if rate.runs}
    for kind, rate in told.items():
        if kind == "branch" or rate != told["branch"]:
            yield f"{kinds[kind]} it {Rate(passes=rate.passes, runs=rate.runs)} before"


def _retries(verdict: VerdictFile) -> list[str]:
    return [
        f"{one.job}: {', then '.join(one.attempts)}; counts as {one.counts}"
        for one in verdict.retries
    ]
