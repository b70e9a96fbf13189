"""Forgetting old flights, but for those that history still needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, exists, func, or_, select, text
from sqlalchemy.orm import aliased

from harness.progress import Progress, silent
from harness.store.engine import writing_engine
from harness.store.faults import faults_told
from harness.store.history import OPEN
from harness.store.store import Store
from harness.store.tables import (
    SHARED,
    AttemptRow,
    FlightHostRow,
    FlightRow,
    HostRow,
    HostStateRow,
    NoteRow,
    RevisionRow,
)
from harness.store.tables.base import AnySelect

AT_ONCE = 20
"""Flights that go in one transaction, so that others who write need not wait long."""


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """What is to go."""

    before: datetime
    """Only flights that began earlier."""
    keep: int
    """So many of each branch stay, the newest, however old they are."""
    branch: str | None = None
    blessing: str | None = None


@dataclass(frozen=True, kw_only=True)
class Prunable:
    """A flight that may go."""

    number: int
    flight_id: str
    branch: str
    started: datetime


def prunable(connection: Connection, what: Pruning) -> list[Prunable]:
    """The flights that go, oldest first.

    Never one that may still fly, the last of a branch whose gate opened, which is its baseline,
    or one that somebody wrote a note about.
    """
    newer = aliased(FlightRow)
    later = (
        select(func.count())
        .where(newer.branch == FlightRow.branch, newer.started > FlightRow.started)
        .correlate(FlightRow)
        .scalar_subquery()
    )
    opened_later = (
        select(newer.id)
        .where(newer.branch == FlightRow.branch, newer.gate == OPEN)
        .where(newer.started > FlightRow.started)
        .correlate(FlightRow)
    )
    noted = select(NoteRow.id).where(NoteRow.flight == FlightRow.id).correlate(FlightRow)
    query: AnySelect = (
        select(FlightRow.id, FlightRow.flight_id, FlightRow.branch, FlightRow.started)
        .where(FlightRow.started < what.before, FlightRow.heard < what.before)
        .where(later >= what.keep, ~exists(noted))
        .where(or_(FlightRow.gate.is_(None), FlightRow.gate != OPEN, exists(opened_later)))
        .order_by(FlightRow.started)
    )
    if what.branch is not None:
        query = query.where(FlightRow.branch == what.branch)
    if what.blessing is not None:
        query = query.where(FlightRow.blessing == what.blessing)
    return [
        Prunable(number=row.id, flight_id=row.flight_id, branch=row.branch, started=row.started)
        for row in connection.execute(query)
    ]


def prune(store: Store, flights: Sequence[Prunable], *, progress: Progress = silent) -> None:
    """Remove them, and what only they had; the room is free for others then."""
    for start in range(0, len(flights), AT_ONCE):
        progress(f"removing: {start} of {len(flights)} flights", start / len(flights))
        numbers = [flight.number for flight in flights[start : start + AT_ONCE]]
        with store.writing() as connection:
            connection.execute(delete(FlightRow).where(FlightRow.id.in_(numbers)))
    progress("removing what no flight has any more")
    with store.writing() as connection:
        _remove_orphans(connection)
    _give_back(store)


def _remove_orphans(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Who just now writes a flight may count on rows that are there, and that no other has.
        names = ", ".join(table.__tablename__ for table in SHARED)
        connection.exec_driver_sql(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")
    used = select(AttemptRow.revisions).where(AttemptRow.revisions.is_not(None))
    connection.execute(delete(RevisionRow).where(RevisionRow.key.not_in(used)))
    unused = HostStateRow.key.not_in(select(FlightHostRow.state))
    connection.execute(delete(HostStateRow).where(unused))
    hosts = select(HostStateRow.host)
    connection.execute(delete(HostRow).where(HostRow.name.not_in(hosts)))


def _give_back(store: Store) -> None:
    """Let a file shrink. PostgreSQL's autovacuum does the like by itself."""
    if store.url.path is None:
        return
    engine = writing_engine(store.url)
    try:
        with faults_told(store.url), engine.connect() as connection:
            raw = connection.connection.cursor()
            for pragma in ("incremental_vacuum", "wal_checkpoint(TRUNCATE)"):
                raw.execute(f"PRAGMA {pragma}")
                raw.fetchall()
    finally:
        engine.dispose()


def sizes(connection: Connection) -> int:
    """Bytes that the store takes."""
    if connection.dialect.name == "sqlite":
        pages = connection.scalar(text("SELECT * FROM pragma_page_count()")) or 0
        return int(pages) * int(connection.scalar(text("SELECT * FROM pragma_page_size()")) or 0)
    return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)
