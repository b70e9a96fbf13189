"""One flight's results, put together of the runs of its jobs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from harness.results.events import FlightHeader, JobEnded, PlannedJob
from harness.results.log import JobLog
from harness.results.model import (
    AttemptResult,
    FlightResult,
    HostFacts,
    ImageFacts,
    JobResult,
    StepResult,
)
from harness.results.rules import HARMLESS, flight_status
from harness.status import Status, worst
from harness.steps import LEAK_CHECK

_ATTEMPT = re.compile(r"attempt-(\d+)/(.*)", re.DOTALL)


def waiting_job(planned: PlannedJob) -> JobResult:
    """A job that has not begun."""
    return JobLog(planned=planned).result()


def unrun_job(planned: PlannedJob, status: Status, reason: str, at: datetime) -> JobResult:
    """A job that never ran, and why: its first step has that *status*, the others are blocked."""
    log = JobLog(planned=planned, ended=JobEnded(at=at, job=planned.name))
    steps = planned.steps if status is Status.SKIP else planned.steps[:1]
    for testid in steps:
        log.finished(StepResult(testid=testid, status=status, reason=reason))
    return log.result()


def cut_short(result: JobResult, status: Status, reason: str) -> JobResult:
    """What is known of a run that did not come to its end for a reason outside of it."""
    return result.model_copy(update={"status": status, "reason": reason})


def joined_job(runs: Sequence[JobResult]) -> JobResult:
    """All *runs* of a job, the last one last, as one job that was tried so often."""
    attempts: list[AttemptResult] = []
    for run in runs[:-1]:
        before = len(attempts)
        attempts += [_renumbered(one, run.name, before) for one in run.attempts]
        attempts.append(_renumbered(_attempt(run), run.name, before, own=len(attempts) + 1))
    last = runs[-1]
    attempts += [_renumbered(one, last.name, len(attempts)) for one in last.attempts]
    return last.model_copy(update={"attempts": tuple(attempts)})


def place_of(path: str, before: int, own: int | None) -> str:
    """Where a file of a run is among those of its job, both relative to the job's directory.

    *before*: attempts of earlier runs; *own*: the number of this run's last attempt, None when it
    is the job's last, too.
    """
    if match := _ATTEMPT.fullmatch(path):
        return f"attempt-{before + int(match[1])}/{match[2]}"
    return path if own is None else f"attempt-{own}/{path}"


def merged_hosts(known: Iterable[HostFacts], more: Iterable[HostFacts]) -> tuple[HostFacts, ...]:
    """Of two accounts of one host the later; but one that was of use to some job was of use."""
    found = {host.name: host for host in known}
    for host in more:
        if host.unusable is None or host.name not in found or found[host.name].unusable:
            found[host.name] = host
    return tuple(found.values())


def merged_images(
    known: Iterable[ImageFacts], more: Iterable[ImageFacts]
) -> tuple[ImageFacts, ...]:
    """Each once, as who built it told of it, if anybody did."""
    found = {image.key: image for image in known}
    for image in more:
        if image.key not in found or not image.reused:
            found[image.key] = image
    return tuple(found.values())


def merged_checks(checks: Mapping[str, StepResult]) -> StepResult | None:
    """The leak checks of several runs, by what they were of, as one; None without any."""
    if not checks:
        return None
    bad = {name: check for name, check in checks.items() if check.status not in HARMLESS}
    reasons = [f"{name}: {check.reason or check.status}" for name, check in bad.items()]
    return StepResult(
        testid=LEAK_CHECK,
        status=worst(check.status for check in checks.values()),
        started=min((one.started for one in checks.values() if one.started), default=None),
        duration=sum(check.duration for check in checks.values()),
        reason="; ".join(reasons) or None,
        evidence="\n".join(check.evidence for check in bad.values() if check.evidence),
    )


def joined_flight(
    header: FlightHeader,
    jobs: Sequence[JobResult],
    *,
    hosts: Sequence[HostFacts],
    images: Sequence[ImageFacts],
    problems: Sequence[str],
    check: StepResult | None,
    ended: datetime | None,
    now: datetime,
) -> FlightResult:
    """The whole flight. *ended* None: some of it is still to come."""
    status = flight_status(jobs, problems=bool(problems), ended=ended is not None)
    if check and check.status not in HARMLESS:
        status = worst((status, check.status))
    return FlightResult(
        flight_id=header.flight_id,
        flight=header.flight,
        status=status,
        started=header.started,
        ended=ended,
        duration=max(0.0, ((ended or now) - header.started).total_seconds()),
        harness_version=header.harness_version,
        revision=header.revision,
        hosts=tuple(hosts),
        images=tuple(images),
        jobs=tuple(jobs),
        command=header.command,
        problems=tuple(problems),
        leak_check=check,
    )


def _attempt(run: JobResult) -> AttemptResult:
    return AttemptResult(
        status=run.status,
        reason=run.reason,
        steps=run.steps,
        host=run.host,
        started=run.started,
        duration=run.duration,
        runvars=run.runvars,
        console_log=run.console_log,
        evidence=run.evidence,
    )


def _renumbered(
    attempt: AttemptResult, job: str, before: int, own: int | None = None
) -> AttemptResult:
    """*attempt* with its files where they are among those of the whole job."""

    def moved(path: str | None) -> str | None:
        start = f"jobs/{job}/"
        if path is None or not path.startswith(start):
            return path
        return start + place_of(path.removeprefix(start), before, own)

    evidence = attempt.evidence
    if evidence:
        evidence = evidence.model_copy(update={"index": moved(evidence.index)})
    return attempt.model_copy(
        update={"console_log": moved(attempt.console_log), "evidence": evidence}
    )
