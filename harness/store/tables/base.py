"""What all tables share: their base, times, and the key of a flight."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    ForeignKey,
    Row,
    Select,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, mapped_column

AnyRow = Row[*tuple[Any, ...]]
AnySelect = Select[*tuple[Any, ...]]

NOTHING_BESIDE = {"sqlite_with_rowid": False}
"""For tables with short rows: SQLite keeps them in the order of their key."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC. SQLite has no zones: there it is text that sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all; a missing JSON value is NULL and not the word ``null``."""

    __table__: ClassVar[Table]
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        str: Text(),
        dict[str, Any]: JSON(none_as_null=True),
        list[str]: JSON(none_as_null=True),
    }


FlightNumber = Annotated[
    int, mapped_column(ForeignKey("flights.id", ondelete="CASCADE"), primary_key=True)
]
"""The number of the flight that a row belongs to."""
Number = Annotated[int, mapped_column(primary_key=True, autoincrement=False)]
"""A row's place among its siblings, from 0."""
