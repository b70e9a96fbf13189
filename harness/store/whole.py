"""A flight as it was recorded, made again of its rows: for exports, and for who shows one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, select

from harness.results.model import (
    AttemptResult,
    EvidenceResult,
    FlightResult,
    HostFacts,
    ImageFacts,
    JobResult,
    PhaseResult,
    StepResult,
)
from harness.status import Status
from harness.store.about import About, Origin
from harness.store.tables import (
    AttemptRow,
    Base,
    FlightHostRow,
    FlightRow,
    HostStateRow,
    ImageRow,
    JobRow,
    PhaseRow,
    ProblemRow,
    RunvarRow,
    StepDetailRow,
    StepRow,
)
from harness.store.tables.base import AnyRow

Place = tuple[int, ...]
_ATTEMPT = ("job_no", "attempt")
_STEP = (*_ATTEMPT, "step_no")


def read_flight(connection: Connection, number: int) -> FlightResult:
    """The results of a flight, as results.json had them."""
    flight = connection.execute(select(FlightRow.__table__).where(FlightRow.id == number)).one()
    return FlightResult(
        flight_id=flight.flight_id,
        flight=flight.flight,
        status=Status(flight.status),
        started=flight.started,
        ended=flight.ended,
        duration=flight.duration,
        harness_version=flight.harness_version,
        revision=flight.revision,
        hosts=_hosts(connection, number),
        images=tuple(
            ImageFacts.model_validate(row.facts) for row in _rows(connection, ImageRow, number)
        ),
        jobs=_jobs(connection, number),
        command=flight.command,
        problems=tuple(row.text for row in _rows(connection, ProblemRow, number)),
        leak_check=StepResult.model_validate(flight.leak_check) if flight.leak_check else None,
    )


def read_about(connection: Connection, number: int) -> About:
    """What is known of it beside."""
    flight = connection.execute(select(FlightRow.__table__).where(FlightRow.id == number)).one()
    return About(
        branch=flight.branch,
        blessing=flight.blessing,
        origin=Origin(flight.origin),
        controller=flight.controller,
        directory=flight.directory,
        gate=flight.gate,
    )


def _hosts(connection: Connection, number: int) -> tuple[HostFacts, ...]:
    query = select(HostStateRow.facts)
    query = query.join(FlightHostRow, FlightHostRow.state == HostStateRow.key)
    query = query.where(FlightHostRow.flight == number).order_by(FlightHostRow.host_no)
    return tuple(HostFacts.model_validate(facts) for facts in connection.scalars(query))


def _jobs(connection: Connection, number: int) -> tuple[JobResult, ...]:
    attempts = _grouped(_rows(connection, AttemptRow, number), ("job_no",))
    steps = _steps(connection, number)
    runvars: dict[Place, dict[str, str]] = defaultdict(dict)
    for row in _rows(connection, RunvarRow, number):
        runvars[_place(row, _ATTEMPT)][row.name] = row.value
    return tuple(
        _job(row, attempts[row.job_no,], steps, runvars)
        for row in _rows(connection, JobRow, number)
    )


def _job(
    job: AnyRow,
    attempts: list[AnyRow],
    steps: Mapping[Place, list[StepResult]],
    runvars: Mapping[Place, dict[str, str]],
) -> JobResult:
    *earlier, attempt = attempts
    place = _place(attempt, _ATTEMPT)
    return JobResult(
        name=job.name,
        suite=job.suite,
        dist=job.dist,
        arch=job.arch,
        virt=job.virt,
        boot=job.boot,
        status=Status(attempt.status),
        reason=attempt.reason,
        steps=tuple(steps.get(place, ())),
        runvars=runvars.get(place, {}),
        console_log=attempt.console_log,
        host=_told_host(attempt),
        started=attempt.started,
        duration=attempt.duration,
        kept=attempt.kept,
        waits=attempt.waits,
        evidence=_evidence(attempt),
        attempts=tuple(_earlier(row, steps, runvars) for row in earlier),
    )


def _earlier(
    attempt: AnyRow,
    steps: Mapping[Place, list[StepResult]],
    runvars: Mapping[Place, dict[str, str]],
) -> AttemptResult:
    return AttemptResult(
        status=Status(attempt.status),
        reason=attempt.reason,
        steps=tuple(steps.get(_place(attempt, _ATTEMPT), ())),
        host=_told_host(attempt),
        started=attempt.started,
        duration=attempt.duration,
        runvars=runvars.get(_place(attempt, _ATTEMPT), {}),
        console_log=attempt.console_log,
        evidence=_evidence(attempt),
    )


def _told_host(attempt: AnyRow) -> str | None:
    return attempt.host if attempt.host_told else None


def _evidence(attempt: AnyRow) -> EvidenceResult | None:
    return EvidenceResult.model_validate(attempt.evidence) if attempt.evidence else None


def _steps(connection: Connection, number: int) -> dict[Place, list[StepResult]]:
    details = {_place(row, _STEP): row for row in _rows(connection, StepDetailRow, number)}
    phases = _grouped(_rows(connection, PhaseRow, number), _STEP)
    steps: dict[Place, list[StepResult]] = defaultdict(list)
    for row in _rows(connection, StepRow, number):
        place = _place(row, _STEP)
        detail = details.get(place)
        steps[_place(row, _ATTEMPT)].append(
            StepResult(
                testid=row.testid,
                status=Status(row.status),
                started=row.started,
                duration=row.duration,
                reason=row.reason,
                failure_class=row.failure_class,
                phase=row.phase,
                phases=tuple(_phase(phase) for phase in phases.get(place, ())),
                evidence=detail.evidence if detail else "",
                facts=detail.facts if detail else {},
            )
        )
    return steps


def _phase(row: AnyRow) -> PhaseResult:
    return PhaseResult(
        name=row.name, started=row.started, duration=row.duration, status=Status(row.status)
    )


def _rows(connection: Connection, table: type[Base], number: int) -> Iterable[AnyRow]:
    columns = table.__table__
    query = select(columns).where(columns.c.flight == number).order_by(*columns.primary_key)
    return connection.execute(query)


def _grouped(rows: Iterable[AnyRow], names: tuple[str, ...]) -> dict[Place, list[AnyRow]]:
    found: dict[Place, list[AnyRow]] = defaultdict(list)
    for row in rows:
        found[_place(row, names)].append(row)
    return found


def _place(row: AnyRow, names: tuple[str, ...]) -> Place:
    return tuple(getattr(row, name) for name in names)
