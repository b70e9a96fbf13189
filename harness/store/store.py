"""A store that is open: transactions for reading and writing, and its schema looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Self

from sqlalchemy import Connection, Engine

from harness.cache import exclusive
from harness.errors import UsageError
from harness.store.engine import APPLICATION_ID, PATIENCE, reading_engine, writing_engine
from harness.store.faults import StoreError, faults_told
from harness.store.schema import (
    HEAD,
    Schema,
    SchemaState,
    hold_schema,
    migrate,
    read_schema,
)
from harness.store.url import StoreUrl, find_store

Transaction = Connection
"""What `reading` and `writing` give; its name for those who are not of the store."""


class Store:
    """One store, to be closed. Each transaction has a connection of its own; may be used by any
    thread.
    """

    def __init__(self, url: StoreUrl, *, patience: timedelta = PATIENCE) -> None:
        self.url = url
        self._patience = patience
        self._reader: Engine | None = None
        self._writer: Engine | None = None
        self._made = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the store and changes nothing.

        `StoreError` when the store can't be used, or is of another version than ours;
        `UsageError` when there is none.
        """
        self._there()
        self._reader = self._reader or reading_engine(self.url, self._patience)
        with faults_told(self.url), self._reader.connect() as connection, connection.begin():
            demand_current(self.url, read_schema(connection))
            yield connection

    @contextmanager
    def writing(self, *, make: bool = False) -> Iterator[Connection]:
        """A transaction that takes effect at its end, or not at all when anything is raised.

        *make* a store where there is none. `StoreError` and `UsageError` as for reading.
        """
        if make:
            self.make()
        else:
            self._there()
        self._writer = self._writer or writing_engine(self.url, self._patience)
        with faults_told(self.url), self._writer.connect() as connection, connection.begin():
            demand_current(self.url, read_schema(connection))
            yield connection

    def schema(self) -> Schema:
        """What is there, of whatever version."""
        self._there()
        self._reader = self._reader or reading_engine(self.url, self._patience)
        with faults_told(self.url), self._reader.connect() as connection:
            return read_schema(connection)

    def make(self) -> None:
        """Make the tables where there is nothing yet; anything else is left as it is."""
        path = self.url.path
        if not self._made and path is None:
            self._make_tables()
        elif path and not (path.exists() and path.stat().st_size):
            with faults_told(self.url):
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with exclusive(path.with_name(f".{path.name}.lock"), what=f"making {path}"):
                    self._make_file()
        self._made = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it; it may be used again."""
        for engine in (self._reader, self._writer):
            if engine:
                engine.dispose()

    def _there(self) -> None:
        path = self.url.path
        if path is None or path.exists():
            return
        msg = f"there is no store yet: {path}"
        hint = "the first flight makes it, and so does: xenflight db import"
        raise UsageError(msg, hint=hint)

    def _make_file(self) -> None:
        engine = writing_engine(self.url, self._patience, make=True)
        with faults_told(self.url):
            with engine.connect() as connection:
                schema = read_schema(connection)
            if schema.state is SchemaState.EMPTY:
                raw = engine.raw_connection()
                try:
                    cursor = raw.cursor()
                    # The first must come before there are tables; all are kept in the file.
                    # Readers then never wait for a writer, nor a writer for readers.
                    cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
                    cursor.execute("PRAGMA journal_mode=WAL")
                    cursor.execute(f"PRAGMA application_id={APPLICATION_ID}")
                finally:
                    raw.close()
        self._make_tables(engine)

    def _make_tables(self, engine: Engine | None = None) -> None:
        self._writer = self._writer or engine or writing_engine(self.url, self._patience)
        with faults_told(self.url), self._writer.connect() as connection:
            with connection.begin():
                if read_schema(connection).state is not SchemaState.EMPTY:
                    return
            with connection.begin():
                hold_schema(connection)
                if read_schema(connection).state is SchemaState.EMPTY:
                    migrate(connection)


def present_store(text: str | None = None) -> Store | None:
    """The store that *text*, the environment or nobody names, to be closed, for who can do without.

    None for ``none``, and where there is none yet, unless *text* says that there is: the first
    flight makes it.
    """
    url = find_store(text)
    if url is None or (text is None and url.path and not url.path.exists()):
        return None
    return Store(url)


def demand_current(url: StoreUrl, schema: Schema) -> None:
    """`StoreError` when what is there is not of our version."""
    match schema.state:
        case SchemaState.CURRENT:
            return
        case SchemaState.NEWER:
            msg = f"the store {url.shown} was written by a newer xenflight: its schema is"
            msg += f" {schema.version}, and this one knows {HEAD}"
            raise StoreError(msg, hint="update xenflight; nothing was changed")
        case SchemaState.OLDER:
            msg = f"the store {url.shown} is of an older version: {schema.version}, not {HEAD}"
            raise StoreError(msg, hint="bring it up to date with: xenflight db upgrade")
        case SchemaState.EMPTY:
            msg = f"the store {url.shown} is empty: it has no tables yet"
            raise StoreError(msg, hint="xenflight db upgrade makes them, as does a flight")
        case SchemaState.FOREIGN:
            msg = f"{url.shown} is a database of something else, with tables that are not ours"
            raise StoreError(msg, hint="nothing was changed in it; name another store")
