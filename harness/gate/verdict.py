"""The gate's verdict as data: the content of ``verdict.json``.

docs/judge.md explains the file to its readers, docs/verdict.schema.json names every field.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from harness.judge.judgement import Analysis
from harness.judge.waiver import WaiverKind
from harness.results.model import Record, UtcTime, Words
from harness.status import Status

SCHEMA_VERSION: Final = 1
"""Counts up with every change of the classes below, so that an old reader refuses a new file."""


class Gate(StrEnum):
    """Whether the flight may ship."""

    OPEN = "open"
    SHUT = "shut"


class ReasonKind(StrEnum):
    """Why a gate is shut."""

    REGRESSION = "regression"
    BROKEN = "broken"
    """Our lab or our harness failed: a step, or something that belongs to none."""
    UNFINISHED = "unfinished"
    NOTHING_RAN = "nothing-ran"
    NO_BASELINE = "no-baseline"
    REQUIRED = "required"
    COVERAGE = "coverage"
    NEVER_RAN = "never-ran"


class WaiverState(StrEnum):
    """What became of a waiver in this verdict."""

    USED = "used"
    """It excuses something here."""
    MATCHES = "matches"
    """It is about a failure here, which did not need it, or which it only gives a name."""
    IDLE = "idle"
    """It is about nothing here, but was about something in the last flights."""
    NEVER_MATCHES = "never-matches"
    """Nor was it about anything there: it can go."""
    EXPIRED = "expired"
    """Its last day is over: it excuses nothing."""


class RateResult(Record):
    """How often something passed."""

    passes: int
    runs: int
    low: float
    """Lower end of Wilson's interval, with 95 % confidence; between 0 and 1."""
    high: float


class JudgementResult(Record):
    """One step that did not pass."""

    flight: Words
    """The flight that was judged, or one that was followed because a "pass in" cites it."""
    job: Words
    testid: Words
    status: Status
    summary: Words
    """osstest's words: ``fail REGR. vs 58530``."""
    analysis: Analysis
    blocking: bool
    against: Words | None
    """The flight that the summary names last."""
    note: Words
    host: Words | None
    fingerprint: Words | None
    waiver: Words | None
    """The name of the waiver that is about it, whether it excuses it or not."""
    quarantined_since: Words | None
    changed: tuple[Words, ...]
    """What the job tests otherwise than in the baseline, such as ``image``."""
    rates: dict[Words, RateResult]
    """On the ``branch``, there on this ``host``, and with this ``revision``; this run apart."""


class Reason(Record):
    """One thing that keeps the gate shut."""

    kind: ReasonKind
    status: Status
    """The exit code is that of the worst of these."""
    text: Words
    job: Words | None = None
    testid: Words | None = None
    flight: Words | None = None
    """Where it happened, if that is another flight."""


class WaiverResult(Record):
    """One waiver of the policy, and what became of it."""

    kind: WaiverKind
    name: Words
    owner: Words
    reason: Words
    link: Words | None
    expires: date
    """The last day on which it holds, in UTC."""
    state: WaiverState
    failures: tuple[Words, ...]
    """What it is about here: ``job testid``."""


class RetryResult(Record):
    """A job that was tried again."""

    job: Words
    attempts: tuple[Words, ...]
    """``broken on rack1``, the first one first; attempts that the policy does not allow, too."""
    counts: Status
    """The status that was judged."""


class PolicyFacts(Record):
    """The policy that was judged by."""

    name: Words
    file: Words | None
    """None: the one that is built in."""


class BaselineFacts(Record):
    """The flight that was compared with."""

    flight: Words
    named: bool
    """Whether somebody named it; else it is the last one whose gate opened."""
    started: UtcTime
    revisions: dict[Words, Words]


class VerdictFile(Record):
    """What the gate says of a flight: the whole of ``verdict.json``."""

    schema_version: Literal[1] = SCHEMA_VERSION
    harness_version: Words
    judged: UtcTime
    flight: Words
    branch: Words
    blessing: Words
    started: UtcTime
    revisions: dict[Words, Words] = Field(
        description="What was under test, as far as all jobs agree."
    )
    policy: PolicyFacts
    baseline: BaselineFacts | None
    """None: no flight of the branch had opened the gate before."""
    gate: Gate
    exit_code: int
    verdict: Words
    """``regressions``; ``tolerable`` when the gate is open; else ``trouble``."""
    outcome: Words
    """``all pass``, ``FAIL``, ``ALL FAIL`` or ``trouble: a/b``: osstest's words again."""
    reasons: tuple[Reason, ...]
    """Why the gate is shut; empty when it is open."""
    judgements: tuple[JudgementResult, ...]
    followed: tuple[Words, ...]
    """Other flights with the same revision that were judged, too."""
    waivers: tuple[WaiverResult, ...]
    retries: tuple[RetryResult, ...]
    remarks: tuple[Words, ...]
    """What somebody should see to; none of it shuts the gate."""
