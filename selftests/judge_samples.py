"""History for the tests of judgement, in few words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from harness.judge.evidence import Evidence
from harness.judge.history import FlightRecord, JobRecord, StepRecord
from harness.judge.judge import judge_flight
from harness.judge.judgement import Judged
from harness.judge.memory import MemoryHistory
from harness.judge.rules import Rules
from harness.judge.waiver import Waiver, WaiverKind
from harness.results.rules import HARMLESS
from harness.status import Status, worst

EPOCH = datetime(2015, 6, 1, tzinfo=UTC)
TODAY = date(2015, 7, 1)
BRANCH = "xen-unstable"
XL = "test-amd64-amd64-xl"
WIN7 = "test-amd64-i386-xl-qemuu-win7-amd64"


def steps(text: str) -> tuple[StepRecord, ...]:
    """``guest-start pass, guest-stop fail/kernel-panic: Oops``; what follows a slash is the
    fingerprint."""
    found = []
    for part in text.split(", ") if text else ():
        testid, said = part.split(" ", 1)
        status, _, fingerprint = said.partition("/")
        found.append(
            StepRecord(testid=testid, status=Status(status), fingerprint=fingerprint or None)
        )
    return tuple(found)


def flight(
    number: str,
    revision: str,
    jobs: Mapping[str, str],
    *,
    branch: str = BRANCH,
    blessing: str = "real",
    host: str = "albana0",
    gate: bool | None = None,
    day: float | None = None,
    statuses: Mapping[str, Status] | None = None,
) -> FlightRecord:
    """Flight *number*, which tested Xen *revision*. Higher numbers are later, as in osstest."""
    at = EPOCH + timedelta(minutes=int(number)) if day is None else EPOCH + timedelta(days=day)
    records = []
    for name, text in jobs.items():
        done = steps(text)
        bad = next((step.status for step in done if step.status not in HARMLESS), None)
        status = (statuses or {}).get(name) or bad or worst(step.status for step in done)
        records.append(
            JobRecord(
                flight=number,
                branch=branch,
                blessing=blessing,
                job=name,
                host=host,
                started=at,
                revisions={"xen": revision} if revision else {},
                steps=done,
                status=status,
            )
        )
    return FlightRecord(
        flight=number,
        branch=branch,
        blessing=blessing,
        started=at,
        jobs=tuple(records),
        gate_open=gate,
    )


def judged(
    this: FlightRecord,
    *others: FlightRecord,
    baseline: str | None = None,
    rules: Rules | None = None,
    waivers: tuple[Waiver, ...] = (),
    named: bool = False,
    retries: int | None = None,
) -> Judged:
    """*this* judged against *others*; by osstest's rules and its own baseline, if not otherwise."""
    history = MemoryHistory([this, *others])
    found = baseline or history.baseline(this.branch, this.started)
    that = history.flight(found) if found else None
    evidence = Evidence(this, history, rules or Rules(), that, named=named)
    return judge_flight(evidence, waivers=waivers, today=TODAY, retries=retries)


def said(found: Judged) -> dict[str, str]:
    """What is said of each step, by ``job testid``; of other flights with their number."""
    return {
        f"{one.job} {one.testid}"
        + ("" if one.flight == found.flight else f" {one.flight}"): found.summary(one)
        for one in found.judgements
    }


def only(found: Judged) -> str:
    """What is said of the only failure."""
    (words,) = said(found).values()
    return words


def waiver(
    *, jobs: str = "*", step: str = "*", pattern: str | None = None, expires: date = TODAY
) -> Waiver:
    """One that holds until the day of the tests, if not otherwise."""
    return Waiver(
        kind=WaiverKind.ALLOWED if pattern is None else WaiverKind.KNOWN_ISSUE,
        name="sample",
        jobs=(jobs,),
        steps=(step,),
        pattern=pattern,
        owner="jane@example.org",
        reason="known to fail",
        expires=expires,
    )
