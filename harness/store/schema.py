"""The version of a store's tables: found out, made, brought up to date. Never overwritten.

A store is made on its first use. One of an older version is left alone until somebody asks for
`xenflight db upgrade`; one of a newer version is read and written by a newer xenflight only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from harness.store.tables import Base

VERSION_TABLE = "xenflight_schema"
VERSIONS = ("0001",)
"""All there were, oldest first; those in ``migrations/versions``. Alembic knows them too, but
takes a while to be loaded, and most who read a store need nothing else of it."""
HEAD = VERSIONS[-1]
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x78656E66
"""The number of PostgreSQL's advisory lock under which tables are made."""

Migrate = Callable[[Connection, str], None]


class SchemaState(StrEnum):
    """What is in a database."""

    EMPTY = "empty"
    CURRENT = "current"
    OLDER = "older"
    NEWER = "newer"
    FOREIGN = "foreign"
    """Tables of something else."""


@dataclass(frozen=True)
class Schema:
    """The state of a store, and the version that it says it has."""

    state: SchemaState
    version: str | None = None


def read_schema(connection: Connection) -> Schema:
    """What is in the database."""
    names = set(inspect(connection).get_table_names())
    if VERSION_TABLE not in names:
        # PostgreSQL may hold tables of others beside ours, if none is called like ours.
        foreign = names if connection.dialect.name == "sqlite" else names & set(_our_names())
        return Schema(SchemaState.FOREIGN if foreign else SchemaState.EMPTY)
    # The table's name is a constant of ours.
    version = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    if version is None:
        return Schema(SchemaState.FOREIGN)
    if version == HEAD:
        return Schema(SchemaState.CURRENT, version)
    state = SchemaState.OLDER if version in VERSIONS else SchemaState.NEWER
    return Schema(state, version)


def migrate(connection: Connection, version: str = HEAD) -> None:
    """Bring the tables to *version*, in the transaction that *connection* is in."""
    # Alembic takes 0.1 s to be loaded, and is needed once in a store's life.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    command.upgrade(config, version)


def hold_schema(connection: Connection) -> None:
    """Let nobody else make tables until the transaction ends; SQLite's writers are alone anyway."""
    if connection.dialect.name == "postgresql":
        # Whoever has it makes tables, which takes longer than a row's lock may.
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def _our_names() -> list[str]:
    return [table.name for table in Base.metadata.sorted_tables]
