"""Connections to a store, with every wait of theirs bounded."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event

from harness.store.url import StoreUrl

PATIENCE = timedelta(seconds=10)
"""How long a statement waits for another writer."""
CONNECT = timedelta(seconds=5)
LONGEST = timedelta(minutes=2)
"""How long one statement may take: an import writes thousands of rows with one."""
APPLICATION_ID = 0x78656E66
"""Written into the head of our SQLite files: ``xenf``, by which file(1) and we know them."""


def reading_engine(url: StoreUrl, patience: timedelta = PATIENCE) -> Engine:
    """For looking only; a file is never made by it."""
    if url.path is None:
        return _postgres(url, patience, reading=True)
    return _sqlite(url, "rw", patience, reading=True)


def writing_engine(url: StoreUrl, patience: timedelta = PATIENCE, *, make: bool = False) -> Engine:
    """For writing, in whole transactions; *make*: the file, if there is none."""
    if url.path is None:
        return _postgres(url, patience, reading=False)
    return _sqlite(url, "rwc" if make else "rw", patience, reading=False)


def _sqlite(url: StoreUrl, mode: str, patience: timedelta, *, reading: bool) -> Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            url.sqlite_uri(mode),
            uri=True,
            timeout=patience.total_seconds(),
            # No transactions behind our back: Python's own begin too late for DDL and reads.
            isolation_level=None,
            check_same_thread=False,
        )
        for pragma in ("foreign_keys=ON", "synchronous=NORMAL", f"query_only={int(reading)}"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    # Kept open: whenever a file's last connection is closed, SQLite moves its log into the file
    # and waits for the disk, some tenths of a second on a busy machine.
    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)
    # A transaction that begins by reading can't wait for a writer later on: SQLite refuses at
    # once, since what it read is old by then. So one that will write says so when it begins.
    begin = "BEGIN" if reading else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgres(url: StoreUrl, patience: timedelta, *, reading: bool) -> Engine:
    # What libpq calls its connection parameters. Without them a network that is gone would hold
    # us for as long as the kernel sends again: a quarter of an hour.
    bounds: dict[str, Any] = {
        "connect_timeout": int(CONNECT.total_seconds()),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        "application_name": "xenflight",
    }
    engine = create_engine(
        url.url,
        connect_args={k: v for k, v in bounds.items() if k not in url.url.query},
        # One that went stale while nobody used it is noticed before a transaction begins.
        pool_pre_ping=True,
    )

    @event.listens_for(engine, "connect")
    def _bound(connection: Any, record: object) -> None:  # noqa: ANN401  # psycopg's own
        del record
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {patience // timedelta(milliseconds=1)}")
            cursor.execute(f"SET statement_timeout = {LONGEST // timedelta(milliseconds=1)}")
            cursor.execute(f"SET default_transaction_read_only = {'on' if reading else 'off'}")
            cursor.execute("SET timezone = 'UTC'")
        connection.commit()

    return engine
