"""Writing flights: whole, or what has changed of one that flies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from harness.results.log import FlightLog
from harness.store.rows import Row, Rows, as_json, clean
from harness.store.tables import (
    CHILDREN,
    SHARED,
    AttemptRow,
    Base,
    FlightHostRow,
    FlightRow,
    ImageRow,
    JobRow,
    PhaseRow,
    ProblemRow,
    RunvarRow,
    StepDetailRow,
    StepRow,
)

Key = tuple[Any, ...]
OF_A_JOB: tuple[type[Base], ...] = (
    JobRow,
    AttemptRow,
    StepRow,
    StepDetailRow,
    PhaseRow,
    RunvarRow,
)
OF_NO_JOB: tuple[type[Base], ...] = (FlightHostRow, ImageRow, ProblemRow)


def put_flight(connection: Connection, row: Row) -> tuple[int, bool]:
    """Write a flight's own row, whether it is there or not; its number, and whether it is new.

    A gate that was judged stays. Everything else of the flight is the caller's to write. Who
    writes the same flight at the same time waits here, until this transaction is over.
    """
    number = flight_number(connection, str(row["flight_id"]))
    if number is None:
        statement = _insert(connection, FlightRow).values(row).on_conflict_do_nothing()
        made = connection.scalar(statement.returning(FlightRow.id))
        if made is not None:
            return made, True
        number = flight_number(connection, str(row["flight_id"]))
        assert number is not None
    connection.execute(update(FlightRow).where(FlightRow.id == number).values(row))
    return number, False


def flight_number(connection: Connection, flight_id: str) -> int | None:
    """The number of a flight; None when it is not there."""
    return connection.scalar(select(FlightRow.id).where(FlightRow.flight_id == flight_id))


def replace_rows(connection: Connection, number: int, rows: Rows) -> None:
    """Make *rows* all that there is of a flight, beside its own row."""
    for table in CHILDREN:
        connection.execute(delete(table).where(table.__table__.c.flight == number))
    insert_rows(connection, rows)


def replace_job(connection: Connection, number: int, job_no: int, rows: Rows) -> None:
    """Make *rows* all that there is of one job of a flight, but for the files that it left."""
    for table in OF_A_JOB:
        columns = table.__table__.c
        same = (columns.flight == number, columns.job_no == job_no)
        connection.execute(delete(table).where(*same))
    insert_rows(connection, rows)


def replace_parts(connection: Connection, number: int, rows: Rows) -> None:
    """Make *rows* all that there is of a flight's hosts, images and problems."""
    for table in OF_NO_JOB:
        connection.execute(delete(table).where(table.__table__.c.flight == number))
    insert_rows(connection, rows)


def insert_rows(connection: Connection, rows: Rows) -> None:
    """Write rows of a flight that has none; those it shares may be there already."""
    for table in SHARED:
        if found := by_key(table, rows.get(table, ())):
            statement = _insert(connection, table).on_conflict_do_nothing()
            # In order: two writers who insert the same rows must not wait for each other.
            connection.execute(statement, [found[key] for key in sorted(found)])
    for table in CHILDREN:
        if found := by_key(table, rows.get(table, ())):
            connection.execute(insert(table), list(found.values()))


def upsert_rows(connection: Connection, rows: Rows) -> None:
    """Write rows of a flight, whether they are there or not."""
    for table in (*SHARED, *CHILDREN):
        found = by_key(table, rows.get(table, ()))
        if not found:
            continue
        statement = _upsert(connection.dialect.name, table)
        connection.execute(statement, [found[key] for key in sorted(found)])


@cache
def _upsert(engine: str, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """Kept: to make it takes longer than to run it."""
    statement = _inserting(engine, table)
    keys = [column.name for column in table.__table__.primary_key]
    others = [c.name for c in table.__table__.columns if c.name not in keys]
    if table in SHARED or not others:
        return statement.on_conflict_do_nothing()
    fresh = {name: statement.excluded[name] for name in others}
    return statement.on_conflict_do_update(index_elements=keys, set_=fresh)


def upsert_shared(
    connection: Connection,
    table: type[Base],
    rows: Mapping[str, Row],
    *,
    fresh: Sequence[str],
) -> None:
    """Write rows by their key; of one that is there only the columns *fresh* change."""
    if not rows:
        return
    statement = _insert(connection, table)
    keys = [column.name for column in table.__table__.primary_key]
    statement = statement.on_conflict_do_update(
        index_elements=keys, set_={name: statement.excluded[name] for name in fresh}
    )
    connection.execute(statement, [rows[key] for key in sorted(rows)])


def delete_rows(connection: Connection, table: type[Base], keys: Iterable[Key]) -> None:
    """Remove rows by their keys."""
    columns = list(table.__table__.primary_key)
    for key in keys:
        same = [column == value for column, value in zip(columns, key, strict=True)]
        connection.execute(delete(table).where(*same))


def touch_flight(connection: Connection, number: int, heard: datetime, log: FlightLog) -> None:
    """Say that its controller lives, how long it has flown, and what it left."""
    row = {
        "heard": heard,
        "duration": (log.latest - log.header.started).total_seconds(),
        "leak_check": clean(as_json(log.leak_check)),
    }
    connection.execute(update(FlightRow).where(FlightRow.id == number).values(row))


def by_key(table: type[Base], rows: Sequence[Row]) -> dict[Key, Row]:
    """*rows* by their key; of two with the same the last."""
    names = _key_names(table)
    return {tuple(row[name] for name in names): row for row in rows}


@cache
def _key_names(table: type[Base]) -> tuple[str, ...]:
    return tuple(column.name for column in table.__table__.primary_key)


def changes(
    old: Mapping[type[Base], Mapping[Key, Row]], new: Rows
) -> tuple[Rows, dict[type[Base], list[Key]]]:
    """What to write and what to remove so that *old* becomes *new*."""
    fresh, gone = Rows(), dict[type[Base], list[Key]]()
    for table in {*old, *new}:
        before, after = old.get(table, {}), by_key(table, new.get(table, ()))
        changed = [row for key, row in after.items() if before.get(key) != row]
        if changed:
            fresh[table] = changed
        if table not in SHARED and (missing := [key for key in before if key not in after]):
            gone[table] = missing
    return fresh, gone


def _insert(connection: Connection, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    return _inserting(connection.dialect.name, table)


def _inserting(engine: str, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """An insert that can say what to do about rows that are there: each engine has its own."""
    return sqlite.insert(table) if engine == "sqlite" else postgresql.insert(table)
