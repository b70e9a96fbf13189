"""Bringing a store up to date; a file is copied before it is touched."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import text

from harness.errors import UsageError
from harness.progress import Progress, silent
from harness.store.engine import writing_engine
from harness.store.faults import StoreError, faults_told
from harness.store.schema import (
    HEAD,
    Migrate,
    SchemaState,
    hold_schema,
    migrate,
    read_schema,
)
from harness.store.store import Store, demand_current
from harness.store.url import StoreUrl


def upgrade(store: Store, *, progress: Progress = silent, steps: Migrate = migrate) -> str:
    """Make the tables where there are none, change those of an older version; what was done.

    All of it happens or nothing. `StoreError` for a store that is newer, damaged, or of
    something else.
    """
    try:
        schema = store.schema()
    except UsageError:  # no file yet
        store.make()
        return f"made {store.url.shown}, version {HEAD}"
    match schema.state:
        case SchemaState.CURRENT:
            return f"{store.url.shown} is up to date: version {HEAD}"
        case SchemaState.EMPTY:
            store.make()
            return f"made the tables in {store.url.shown}, version {HEAD}"
        case SchemaState.OLDER:
            kept = _keep_copy(store.url, f"{schema.version}", progress)
            progress(f"changing the tables from version {schema.version} to {HEAD}")
            _change(store.url, steps)
            said = f"; as it was before: {kept}" if kept else ""
            return f"{store.url.shown} is now of version {HEAD}{said}"
        case SchemaState.NEWER | SchemaState.FOREIGN:
            demand_current(store.url, schema)
    raise AssertionError


def _change(url: StoreUrl, steps: Migrate) -> None:
    engine = writing_engine(url)
    with faults_told(url), engine.connect() as connection, connection.begin():
        hold_schema(connection)
        if url.path is None:
            # Large tables take what they take; for a lock we still do not wait for ever.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        # Somebody else may have done it while we waited.
        if read_schema(connection).state is SchemaState.OLDER:
            steps(connection, HEAD)


def _keep_copy(url: StoreUrl, version: str, progress: Progress) -> Path | None:
    """A copy of a file; None for PostgreSQL, where that is its administrator's business."""
    path = url.path
    if path is None:
        return None
    copy = path.with_name(f"{path.name}.before-{HEAD}")
    if copy.exists():
        msg = f"{copy} is there already, from another upgrade"
        raise StoreError(msg, hint="move it away; nothing was changed")
    fresh = copy.with_name(f".{copy.name}.part")
    fresh.unlink(missing_ok=True)
    progress(f"copying the store of version {version}")
    with faults_told(url):
        # SQLite's own way, which sees what is still in the log beside the file.
        with (
            closing(sqlite3.connect(url.sqlite_uri("rw"), uri=True)) as old,
            closing(sqlite3.connect(fresh)) as new,
        ):
            old.backup(new)
        fresh.replace(copy)
    return copy
