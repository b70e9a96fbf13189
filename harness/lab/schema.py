"""The lab's tables made and brought up to date, procrastinate's among them.

All lie in a schema of their own: a database may hold another program's procrastinate as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import procrastinate
from procrastinate.schema import SchemaManager
from sqlalchemy import Connection, insert, select, text, update

from harness.lab.tables import METADATA, SCHEMA, VERSION
from harness.store.faults import StoreError
from harness.store.schema import hold_schema
from harness.store.store import Store

OURS = 1
"""The version of the tables in `harness.lab.tables`."""
PROCRASTINATE = procrastinate.__version__
_TOGETHER = f"""\
ALTER TABLE {SCHEMA}.lab_flights ADD FOREIGN KEY (flight_id) REFERENCES flights (flight_id)
ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
"""
"""What is pruned from the store goes from the queue, too."""
_HINT = "xenflight queue init brings it up to date"


@dataclass(frozen=True)
class LabVersion:
    """What a database has: our tables, and those of which procrastinate."""

    ours: int
    procrastinate: str


NOW = LabVersion(OURS, PROCRASTINATE)


def read_version(connection: Connection) -> LabVersion | None:
    """What there is; None when there is nothing."""
    there = connection.scalar(text(f"SELECT to_regclass('{SCHEMA}.lab_version')"))
    if there is None:
        return None
    row = connection.execute(select(VERSION.c.ours, VERSION.c.procrastinate)).one()
    return LabVersion(row.ours, row.procrastinate)


def demand_current(shown: str, found: LabVersion | None) -> None:
    """`StoreError` when what a database has is not what we know."""
    if found is None:
        msg = f"there is no queue in {shown} yet"
        raise StoreError(msg, hint="xenflight queue init makes it")
    if found == NOW:
        return
    if _newer(found):
        msg = f"the queue in {shown} was made by a newer xenflight: {_words(found)}"
        msg += f", and this one knows {_words(NOW)}"
        raise StoreError(msg, hint="update xenflight")
    msg = f"the queue in {shown} is of an older version: {_words(found)}, not {_words(NOW)}"
    raise StoreError(msg, hint=_HINT)


def init(store: Store) -> str:
    """Make the tables of *store* and of the queue in it, or bring these up to date; what was done.

    All of it happens or nothing. `StoreError` when that can't be.
    """
    store.make()
    shown = store.url.shown
    with store.writing() as connection:
        hold_schema(connection)
        found = read_version(connection)
        if found == NOW:
            return f"the queue in {shown} is up to date: {_words(NOW)}"
        if found and _newer(found):
            demand_current(shown, found)
        into_lab(connection)
        if found is None:
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            connection.exec_driver_sql(_literal(SchemaManager.get_schema()))
            METADATA.create_all(connection)
            connection.execute(text(_TOGETHER))
            row = {"ours": OURS, "procrastinate": PROCRASTINATE, "one": True}
            connection.execute(insert(VERSION).values(row))
            return f"made the queue in {shown}: {_words(NOW)}"
        for path in migrations(found.procrastinate):
            connection.exec_driver_sql(_literal(path.read_text(encoding="utf-8")))
        connection.execute(update(VERSION).values(ours=OURS, procrastinate=PROCRASTINATE))
        return f"the queue in {shown} is now of {_words(NOW)}"


def into_lab(connection: Connection) -> None:
    """Until the transaction ends names without a schema are the lab's first, then the store's."""
    connection.execute(
        text(
            "SELECT set_config('search_path', :path || ',' || current_setting('search_path'), true)"
        ),
        {"path": SCHEMA},
    )


def migrations(since: str) -> list[Path]:
    """procrastinate's own changes after its version *since*, in their order.

    Their names begin with the version that they lead to: its documentation, "Migrations".
    """
    folder = Path(SchemaManager.get_migrations_path())
    return sorted(path for path in folder.glob("*.sql") if _numbers(path.name) > _numbers(since))


def _literal(statement: str) -> str:
    """For a driver that takes % for a parameter."""
    return statement.replace("%", "%%")


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.partition("_")[0].split(".")[:3]
    return tuple(int(part) for part in parts if part.isdigit())


def _newer(found: LabVersion) -> bool:
    return found.ours > OURS or _numbers(found.procrastinate) > _numbers(PROCRASTINATE)


def _words(version: LabVersion) -> str:
    return f"version {version.ours}, procrastinate {version.procrastinate}"
