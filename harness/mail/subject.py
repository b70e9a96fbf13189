"""What a flight's mail says in its first line and to programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.gate.verdict import JudgementResult, VerdictFile
from harness.judge.judgement import Analysis
from harness.report.evidence import one_line
from harness.results.model import FlightResult
from harness.results.rules import flight_status
from harness.status import WORST_FIRST

MOST_FAILURES = 100
_PREFIX = "X-Xenflight-"
_LONGEST = 150


def subject(flight: FlightResult, verdict: VerdictFile) -> str:
    """``[branch] flight N: tolerable|regressions|trouble - what``: osstest's order of words."""
    text = f"[{verdict.branch}] flight {flight.flight_id}: {verdict.verdict} - "
    return one_line(text + _what(flight, verdict))[:_LONGEST]


def _what(flight: FlightResult, verdict: VerdictFile) -> str:
    regressions = [one for one in verdict.judgements if one.analysis is Analysis.REGRESSION]
    first = [one for one in regressions if one.flight == flight.flight_id and one.blocking]
    if verdict.verdict == "regressions" and first:
        jobs = len({one.job for one in first})
        more = f" and {jobs - 1} more" if jobs > 1 else ""
        return f"{first[0].testid} of {first[0].job}{more}"
    return counts(flight)


def counts(flight: FlightResult) -> str:
    """How many jobs have which status, the worst first."""
    found = Counter(job.status for job in flight.jobs)
    words = [f"{found[status]} {status}" for status in WORST_FIRST if found[status]]
    jobs = flight_status(flight.jobs, problems=False, ended=True)
    if flight.status is not jobs:
        words.insert(0, f"the flight is {flight.status}")
    return ", ".join(words) or "no jobs"


def headers(flight: FlightResult, verdict: VerdictFile) -> dict[str, str]:
    """For programs; all of them ASCII on one line."""
    that = verdict.baseline
    found = {
        "Flight": flight.flight_id,
        "Branch": verdict.branch,
        "Blessing": verdict.blessing,
        "Status": str(flight.status),
        "Verdict": verdict.verdict,
        "Gate": str(verdict.gate),
        "Exit-Code": str(verdict.exit_code),
        "Baseline": that.flight if that else "none",
        "Versions-This": _versions(verdict.revisions),
        "Versions-That": _versions(that.revisions) if that else "",
        "Failures": " ".join(_failures(verdict)),
    }
    return {f"{_PREFIX}{name}": _plain(value) for name, value in found.items() if value}


def _failures(verdict: VerdictFile) -> Iterator[str]:
    """``branch:job:testid:status:analysis``, as in osstest's header."""
    told = [one for one in verdict.judgements if one.flight == verdict.flight]
    for one in told[:MOST_FAILURES]:
        yield _plain(":".join(_words(verdict, one))).replace(" ", "_")
    if len(told) > MOST_FAILURES:
        yield f"and-{len(told) - MOST_FAILURES}-more"


def _words(verdict: VerdictFile, one: JudgementResult) -> tuple[str, ...]:
    return verdict.branch, one.job, one.testid, str(one.status), str(one.analysis)


def _versions(revisions: dict[str, str]) -> str:
    return " ".join(f"{tree}={revision}".replace(" ", "_") for tree, revision in revisions.items())


def _plain(text: str) -> str:
    return one_line(text).encode("ascii", "replace").decode()
