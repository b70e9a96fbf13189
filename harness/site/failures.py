"""What did not pass in a flight, those together that look the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.console.phases import BOOT_PHASES
from harness.console.text import lines_of
from harness.console.verdicts import find_sign
from harness.gate.verdict import JudgementResult, VerdictFile
from harness.report.evidence import clean
from harness.results.fingerprint import fingerprint, names_of
from harness.results.model import FlightResult, JobResult, StepResult
from harness.results.rules import first_bad
from harness.results.runs import Run
from harness.site.since import Since, since
from harness.status import Status

_ORDER = (Status.FAIL, Status.BROKEN, Status.STARVED, Status.BLOCKED, Status.ABORTED)
_QUOTED = 6
_MOST_EVIDENCE = 200
"""Lines."""


@dataclass(frozen=True, kw_only=True)
class Quote:
    """Lines of a guest, cleaned. *lines* are shown at once, *rest* to whom asks."""

    lines: tuple[str, ...]
    rest: tuple[str, ...] = ()
    telling: str = ""
    """The one of *lines* that betrays the failure."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One job that did not pass, and the step by which it did not."""

    job: JobResult
    step: StepResult
    since: Since | None
    judgement: JudgementResult | None = None

    @property
    def blocking(self) -> bool:
        """Whether the gate said that it keeps it shut; not if nobody asked."""
        return self.judgement is not None and self.judgement.blocking


@dataclass(frozen=True, kw_only=True)
class Group:
    """Failures of one step that look the same."""

    failures: tuple[Failure, ...]
    quote: Quote

    @property
    def first(self) -> Failure:
        """The one to tell of."""
        return self.failures[0]

    @property
    def step(self) -> StepResult:
        """Its step."""
        return self.first.step


def failure_of(
    job: JobResult, runs: Sequence[Run], flight: str, verdict: VerdictFile | None = None
) -> Failure | None:
    """What is wrong with a job; None when it passed or was skipped."""
    step = first_bad(job.steps)
    if step is None:
        return None
    return Failure(
        job=job,
        step=step,
        since=since(runs, flight, step.testid),
        judgement=_judgement(verdict, job.name, step.testid),
    )


def groups_of(
    flight: FlightResult,
    runs: Callable[[str], Sequence[Run]],
    verdict: VerdictFile | None = None,
) -> list[Group]:
    """All failures of a flight, the most pressing first. *runs* gives those of a job."""
    found: dict[tuple[str, str, str], list[Failure]] = {}
    for job in flight.jobs:
        failure = failure_of(job, runs(job.name), flight.flight_id, verdict)
        if failure is None:
            continue
        step = failure.step
        look = fingerprint(step, names_of(flight, job)) or step.reason or ""
        found.setdefault((step.status, step.testid, look), []).append(failure)
    groups = [Group(failures=tuple(same), quote=quote_of(same[0].step)) for same in found.values()]
    return sorted(groups, key=_press)


def quote_of(step: StepResult) -> Quote:
    """The lines of the guest that tell most: from the one that betrays it on, or the last ones of
    a boot that nothing betrays.
    """
    lines = clean(step.evidence).split("\n")[:_MOST_EVIDENCE]
    while lines and not lines[-1].strip():
        lines.pop()
    # The same lines with their escapes taken out are what signs are known by.
    plain = lines_of(step.evidence)[: len(lines)]
    telling = next((at for at, line in enumerate(plain) if find_sign(line, at)), None)
    start = telling or 0
    if telling is None and step.phase in BOOT_PHASES:
        start = max(0, len(lines) - _QUOTED)
    shown = lines[start : start + _QUOTED]
    rest = lines if len(lines) > len(shown) else ()
    said = lines[telling] if telling is not None else ""
    return Quote(lines=tuple(shown), rest=tuple(rest), telling=said)


def _press(group: Group) -> tuple[bool, int, int]:
    status = group.step.status
    rank = _ORDER.index(status) if status in _ORDER else len(_ORDER)
    return not any(one.blocking for one in group.failures), rank, -len(group.failures)


def _judgement(verdict: VerdictFile | None, job: str, testid: str) -> JudgementResult | None:
    if verdict is None:
        return None
    return next(
        (
            one
            for one in verdict.judgements
            if (one.flight, one.job, one.testid) == (verdict.flight, job, testid)
        ),
        None,
    )
