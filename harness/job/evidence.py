"""The evidence of one guest: which is wanted, where it goes, and what must not be in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import LabError
from harness.evidence.collect import PATIENCE, Collector
from harness.evidence.items import wanted
from harness.evidence.link import Link
from harness.evidence.mask import Mask, key_lines
from harness.evidence.model import INDEX, Index, Occasion, Only
from harness.flight.plan import Plan
from harness.host.xenhost import XenHost
from harness.job.delay import SLOW
from harness.job.secrets import FlightSecrets
from harness.results.layout import JobDirectory
from harness.results.model import EvidenceResult, StepResult

Reconnect = Callable[[], XenHost]
"""Connects to the host once more; `LabError` when that can't be."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What came of it."""

    occasion: Occasion
    began: datetime
    """When the flight did."""
    result: EvidenceResult
    suspect: bool
    """Whether the host told nothing, or only over a new connection: it may have booted."""


def take_evidence(
    culprit: StepResult,
    plan: Plan,
    files: JobDirectory,
    *,
    job: str,
    domain: str,
    host: XenHost,
    again: Reconnect,
    mask: Mask,
) -> Taken:
    """Ask *host* for what tells of *culprit*; `OSError` when nothing can be written.

    *domain* is its name, and need not be there any more.
    """
    occasion = Occasion(
        job=job,
        testid=culprit.testid,
        status=culprit.status,
        failure_class=culprit.failure_class,
        domain=domain,
        since=_seconds_since(plan.created),
    )
    link = Link(host.runner, lambda: again().runner, host.stretched(PATIENCE))
    collector = Collector(link, occasion, files.evidence, mask, factor=host.timeout_factor)
    index = collector.collect(wanted(_kinds(culprit, plan)))
    result = EvidenceResult(
        index=files.relative(files.evidence / INDEX),
        asked=len(index.items),
        had=index.had,
        note=_note(index),
    )
    suspect = index.dead or link.renewed
    return Taken(occasion=occasion, began=plan.created, result=result, suspect=suspect)


def occasion_now(taken: Taken) -> Occasion:
    """The occasion of *taken*, for asking once more."""
    return replace(taken.occasion, since=_seconds_since(taken.began))


def secrets_mask(secrets: FlightSecrets, *keys: Path) -> Mask:
    """A mask for what a flight's guests are entered with, as far as it is there."""
    found: list[str] = []
    with suppress(LabError):
        found.append(secrets.password.value)
    with suppress(LabError):
        found.append(secrets.password_hash)
    for key in (secrets.user_key, *keys):
        with suppress(OSError):
            found += key_lines(key.read_text(encoding="ascii", errors="replace"))
    return Mask(found)


def _kinds(culprit: StepResult, plan: Plan) -> list[Only]:
    # A guest that panicked has said what there is to say, and answers to no key.
    kinds = [Only.HANG] if culprit.failure_class in SLOW else []
    return [*kinds, Only.REQUEST] if plan.dump_core else kinds


def _seconds_since(moment: datetime) -> int:
    return max(0, round((datetime.now(UTC) - moment).total_seconds()))


def _note(index: Index) -> str:
    if not index.had:
        return "; ".join(("nothing could be had", *index.notes))
    return "; ".join(index.notes)
