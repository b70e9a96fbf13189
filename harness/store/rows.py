"""Rows as they are written, by their table."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from harness.results.model import FlightResult, Record
from harness.store.tables import Base

Row = dict[str, Any]


class Rows(dict[type[Base], list[Row]]):
    """Rows by their table."""

    def put(self, table: type[Base], **values: Any) -> None:  # noqa: ANN401  # columns of any type
        """One more row."""
        for key, value in values.items():
            # Most of a million rows are numbers and words without a NUL.
            if isinstance(value, str | dict | list):
                values[key] = clean(value)
        self.setdefault(table, []).append(values)

    def take(self, other: Rows) -> None:
        """All of *other*, too."""
        for table, rows in other.items():
            self.setdefault(table, []).extend(rows)

    def count(self) -> int:
        """How many there are."""
        return sum(map(len, self.values()))


def clean(value: Any) -> Any:  # noqa: ANN401  # whatever a column holds
    """*value* without NUL, which guests print and PostgreSQL's texts can't hold."""
    if isinstance(value, str):
        return value.replace("\0", "\N{SYMBOL FOR NULL}") if "\0" in value else value
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value


def as_json(record: Record | None) -> dict[str, Any] | None:
    """For a column; None for nothing."""
    return record.model_dump(mode="json") if record else None


def digest(result: FlightResult) -> str:
    """Stands for all that *result* says.

    Fields that hold their default are left out, so that fields which later versions add do not
    change it; nor does the version of the file that it was read from.
    """
    data = result.model_dump(mode="json", exclude={"schema_version"}, exclude_defaults=True)
    text = json.dumps(data, sort_keys=True)
    if "\\u0000" in text:
        text = json.dumps(clean(data), sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]
