"""From a job's results to rows: one attempt after the other. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from harness.cache import content_key
from harness.results.attempts import attempts_of
from harness.results.fingerprint import fingerprint, own_names
from harness.results.model import HostFacts, ImageFacts, JobResult, StepResult
from harness.results.revisions import tested
from harness.results.rules import host_name, host_of
from harness.store.about import About
from harness.store.revisions import for_people
from harness.store.rows import Rows, as_json
from harness.store.tables import (
    AttemptRow,
    JobRow,
    PhaseRow,
    RevisionRow,
    RunvarRow,
    StepDetailRow,
    StepRow,
)

FIRST = 1
"""The number of a job's first attempt."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What the rows of a job take from its flight."""

    number: int
    flight_id: str
    began: datetime
    about: About
    hosts: tuple[HostFacts, ...]
    images: tuple[ImageFacts, ...]


def host_key(host: HostFacts) -> str:
    """Stands for a host in that state."""
    return content_key(host.model_dump_json())


def job_rows(
    frame: Frame, job_no: int, job: JobResult, *, over: bool, defined: Iterable[str] | None = None
) -> Rows:
    """All of one job, and what it shares with others."""
    rows = Rows()
    rows.put(
        JobRow,
        flight=frame.number,
        job_no=job_no,
        name=job.name,
        suite=job.suite,
        dist=job.dist,
        arch=job.arch,
        virt=job.virt,
        boot=job.boot,
        status=job.status.value,
    )
    tries = attempts_of(job)
    for attempt, one in enumerate(tries, start=FIRST):
        place = {"flight": frame.number, "job_no": job_no, "attempt": attempt}
        _attempt(rows, frame, place, one, over=over or attempt < len(tries))
        told = one.runvars if one is job else job.attempts[attempt - FIRST].runvars
        for name, value in told.items():
            source = _source(name, one, defined)
            rows.put(RunvarRow, **place, name=name, value=value, source=source)
    return rows


def _attempt(
    rows: Rows, frame: Frame, place: Mapping[str, int], job: JobResult, *, over: bool
) -> None:
    host = host_of(frame.hosts, job)
    rows.put(
        AttemptRow,
        **place,
        job=job.name,
        branch=frame.about.branch,
        blessing=frame.about.blessing,
        at=job.started or frame.began,
        host=host_name(frame.hosts, job),
        host_told=job.host is not None,
        host_state=host_key(host) if host else None,
        revisions=_revisions(rows, frame, job, host),
        status=job.status.value,
        reason=job.reason,
        started=job.started,
        duration=job.duration,
        over=over,
        kept=job.kept,
        console_log=job.console_log,
        waits=dict(job.waits),
        evidence=as_json(job.evidence),
    )
    names = own_names(frame.flight_id, host, job)
    for step_no, step in enumerate(job.steps):
        _step(rows, {**place, "step_no": step_no}, step, names)


def _revisions(rows: Rows, frame: Frame, job: JobResult, host: HostFacts | None) -> str | None:
    """Put what was under test into *rows*; the key of the set, None for an empty one."""
    tell = {**tested(job, host, frame.images), **frame.about.revisions}
    more = {**for_people(job, frame.images), **tell}
    if not more:
        return None
    key = content_key(json.dumps([sorted(tell.items()), sorted(more.items())]))
    for tree, revision in sorted(more.items()):
        rows.put(RevisionRow, key=key, tree=tree, revision=revision, tells=tree in tell)
    return key


def _step(rows: Rows, place: Mapping[str, int], step: StepResult, names: Mapping[str, str]) -> None:
    rows.put(
        StepRow,
        **place,
        testid=step.testid,
        status=step.status.value,
        started=step.started,
        duration=step.duration,
        reason=step.reason,
        failure_class=step.failure_class,
        phase=step.phase,
        fingerprint=fingerprint(step, names),
    )
    if step.evidence or step.facts:
        rows.put(StepDetailRow, **place, evidence=step.evidence, facts=dict(step.facts))
    for phase_no, phase in enumerate(step.phases):
        rows.put(
            PhaseRow,
            **place,
            phase_no=phase_no,
            name=phase.name,
            started=phase.started,
            duration=phase.duration,
            status=phase.status.value,
        )


def _source(name: str, job: JobResult, defined: Iterable[str] | None) -> str | None:
    if any(name in step.facts for step in job.steps):
        return "execution"
    if defined is None:
        return None
    return "definition" if name in defined else "execution"
