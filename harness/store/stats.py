"""What is in a store, in numbers; and whether its file is whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, text

from harness.store.faults import StoreError
from harness.store.prune import sizes
from harness.store.schema import HEAD
from harness.store.spool import pending
from harness.store.store import Store
from harness.store.tables import Base, FlightRow

_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class BranchStats:
    """One branch."""

    branch: str
    flights: int
    first: datetime
    last: datetime
    opened: int
    """Flights whose gate opened."""


@dataclass(frozen=True, kw_only=True)
class StoreStats:
    """A whole store."""

    store: str
    engine: str
    version: str
    bytes: int
    rows: dict[str, int]
    branches: tuple[BranchStats, ...]
    waiting: int
    """Flights that are kept in files until they can be delivered to it."""


def read_stats(store: Store) -> StoreStats:
    """Count everything: in a large store that takes some seconds."""
    with store.reading() as connection:
        return StoreStats(
            store=store.url.shown,
            engine=_engine(connection),
            version=HEAD,
            bytes=sizes(connection),
            rows={
                table.name: connection.scalar(select(func.count()).select_from(table)) or 0
                for table in Base.metadata.sorted_tables
            },
            branches=_branches(connection),
            waiting=len(pending(store.url.spool)),
        )


def check_whole(store: Store) -> None:
    """Look through all of the store's file; `StoreError` with what is damaged."""
    with store.reading() as connection:
        if connection.dialect.name != "sqlite":
            return
        said = [row[0] for row in connection.execute(text(f"PRAGMA integrity_check({_SHOWN})"))]
        said += [
            f"a row of {row[0]} without its parent in {row[2]}"
            for row in connection.execute(text("PRAGMA foreign_key_check"))
        ]
    wrong = [line for line in said if line != "ok"][:_SHOWN]
    if wrong:
        msg = f"the store {store.url.shown} is damaged: {'; '.join(wrong)}"
        hint = "move it away, then: xenflight db import reports/runs"
        raise StoreError(msg, hint=hint)


def _engine(connection: Connection) -> str:
    if connection.dialect.name == "sqlite":
        return f"SQLite {connection.scalar(text('SELECT sqlite_version()'))}"
    return f"PostgreSQL {connection.scalar(text('SHOW server_version'))}"


def _branches(connection: Connection) -> tuple[BranchStats, ...]:
    query = (
        select(
            FlightRow.branch,
            func.count().label("flights"),
            func.min(FlightRow.started).label("first"),
            func.max(FlightRow.started).label("last"),
            func.count(FlightRow.gate).filter(FlightRow.gate == "open").label("opened"),
        )
        .group_by(FlightRow.branch)
        .order_by(func.max(FlightRow.started).desc())
    )
    return tuple(
        BranchStats(
            branch=row.branch,
            flights=row.flights,
            first=row.first,
            last=row.last,
            opened=row.opened,
        )
        for row in connection.execute(query)
    )
