"""Names: which flight is meant by a word, and which flights, jobs and steps there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from harness.errors import UsageError
from harness.store.tables import AttemptRow, FlightRow, JobRow, StepRow, of_attempt

LATEST = "latest"
_SHORTEST = 4
"""Letters of an id that may stand for all of it."""
_AT_ONCE = 500
"""Values in one statement."""


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """Which flight it is, and where its files are."""

    flight_id: str
    flight: str
    directory: str | None
    """On the machine of its controller."""


def find_flight(connection: Connection, text: str) -> int:
    """The number of the flight meant: its id or the beginning of it, its number, ``latest``.

    `UsageError` when there is none, or several begin like that.
    """
    exact = select(FlightRow.id).where(FlightRow.flight_id == text)
    if (number := connection.scalar(exact)) is not None:
        return number
    if text == LATEST:
        newest = select(FlightRow.id).order_by(FlightRow.started.desc(), FlightRow.id.desc())
        if (number := connection.scalar(newest.limit(1))) is not None:
            return number
    if text.isascii() and text.isdigit() and len(text) < 10:
        by_number = select(FlightRow.id).where(FlightRow.id == int(text))
        if (number := connection.scalar(by_number)) is not None:
            return number
    like = select(FlightRow.id, FlightRow.flight_id)
    like = like.where(FlightRow.flight_id.startswith(text, autoescape=True))
    found = connection.execute(like.order_by(FlightRow.started.desc()).limit(5)).all()
    if len(found) == 1 and len(text) >= _SHORTEST:
        return int(found[0].id)
    if found and len(text) >= _SHORTEST:
        names = ", ".join(row.flight_id for row in found)
        msg = f"several flights begin with {text!r}: {names}"
        raise UsageError(msg)
    msg = f"no flight {text!r} is in the store"
    raise UsageError(msg, hint="xenflight flights lists them")


def find_whereabouts(connection: Connection, text: str) -> Whereabouts:
    """Of the flight meant, as `find_flight` finds it; `UsageError` as there."""
    query = select(FlightRow.flight_id, FlightRow.flight, FlightRow.directory)
    row = connection.execute(query.where(FlightRow.id == find_flight(connection, text))).one()
    return Whereabouts(flight_id=row.flight_id, flight=row.flight, directory=row.directory)


def known_flights(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of *ids* that are in the store."""
    known: set[str] = set()
    for start in range(0, len(ids), _AT_ONCE):
        part = FlightRow.flight_id.in_(ids[start : start + _AT_ONCE])
        known.update(connection.scalars(select(FlightRow.flight_id).where(part)))
    return known


def job_names(connection: Connection, beginning: str = "", limit: int = 5000) -> list[str]:
    """The names of all jobs that there ever were, in order."""
    query = select(AttemptRow.job).distinct().order_by(AttemptRow.job).limit(limit)
    if beginning:
        query = query.where(AttemptRow.job.startswith(beginning, autoescape=True))
    return list(connection.scalars(query))


def jobs_of(connection: Connection, flight: str, beginning: str = "") -> list[str]:
    """The names of a flight's jobs, in its order."""
    number = find_flight(connection, flight)
    query = select(JobRow.name).where(JobRow.flight == number).order_by(JobRow.job_no)
    return list(connection.scalars(query.where(JobRow.name.startswith(beginning, autoescape=True))))


def step_names(connection: Connection, job: str, beginning: str = "") -> list[str]:
    """The testids that a job had in its newest flights, in its order."""
    query = (
        select(StepRow.testid)
        .join(AttemptRow, of_attempt())
        .where(AttemptRow.job == job, StepRow.testid.startswith(beginning, autoescape=True))
        .order_by(AttemptRow.at.desc(), StepRow.step_no)
        .limit(500)
    )
    return list(dict.fromkeys(connection.scalars(query)))


def flight_ids(connection: Connection, beginning: str = "", limit: int = 50) -> list[str]:
    """The ids of the newest flights."""
    query = select(FlightRow.flight_id).order_by(FlightRow.started.desc()).limit(limit)
    return list(
        connection.scalars(query.where(FlightRow.flight_id.startswith(beginning, autoescape=True)))
    )


def branches(connection: Connection) -> list[str]:
    """All branches."""
    return list(connection.scalars(select(FlightRow.branch).distinct().order_by(FlightRow.branch)))
