"""Taking in the results of a flight that is over: twice is once."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, select

from harness.errors import UsageError
from harness.results.belonging import ADHOC
from harness.results.model import FlightResult
from harness.store.about import About, Origin
from harness.store.artifacts import artifact_rows
from harness.store.flightrows import all_rows, flight_row
from harness.store.rows import digest
from harness.store.tables import FlightRow
from harness.store.tables.base import AnyRow
from harness.store.write import insert_rows, put_flight, replace_rows

ALIVE = timedelta(minutes=2)
"""A flight whose controller was heard of since then still flies; it writes twice a minute."""


class Outcome(StrEnum):
    """What became of a flight that was to be taken in."""

    NEW = "new"
    SAME = "there already"
    BETTER = "brought up to date"
    FLYING = "still flying"


@dataclass(frozen=True, kw_only=True)
class Given:
    """What somebody says of flights to be taken in; None: nothing."""

    branch: str | None = None
    blessing: str | None = None
    revisions: Mapping[str, str] | None = None
    replace: bool = False
    """Whether results that differ from those in the store take their place."""


def put_result(
    connection: Connection,
    result: FlightResult,
    about: About | None,
    given: Given,
    *,
    now: datetime,
    defined: Mapping[str, Iterable[str]] | None = None,
    over: Container[str] = (),
    directory: str | None = None,
) -> Outcome:
    """Take *result* in. *about* is what stands beside it in its file, if anything does.

    *directory* is where the files of the flight are, if they are there.

    A flight is the same when it has the same id. Raises `UsageError` when it is in the store
    with other results, unless *given* says to replace them.
    """
    stands_for = digest(result)
    there = connection.execute(
        select(FlightRow.__table__).where(FlightRow.flight_id == result.flight_id)
    ).one_or_none()
    if there is not None:
        outcome = _compare(there, result, stands_for, given, now)
        if outcome is not Outcome.BETTER:
            return outcome
    meant = _about(result, about, given, there)
    meant = replace(meant, directory=directory or meant.directory)
    heard = result.ended or result.started + timedelta(seconds=result.duration)
    number, new = put_flight(connection, flight_row(result, meant, heard, stands_for))
    rows = all_rows(number, result, meant, defined=defined, over=over)
    rows.take(artifact_rows(number, result, meant.directory))
    if new:
        insert_rows(connection, rows)
        return Outcome.NEW
    replace_rows(connection, number, rows)
    return Outcome.BETTER


def _compare(
    there: AnyRow, result: FlightResult, stands_for: str, given: Given, now: datetime
) -> Outcome:
    moved = [
        f"{name} {before}, not {wanted}"
        for name, before, wanted in (
            ("branch", there.branch, given.branch),
            ("blessing", there.blessing, given.blessing),
        )
        if wanted is not None and wanted != before
    ]
    if given.replace:
        same = there.digest == stands_for and not moved and not given.revisions
        return Outcome.SAME if same else Outcome.BETTER
    if moved:
        msg = f"flight {result.flight_id} is in the store already: {', '.join(moved)}"
        raise UsageError(msg, hint="--replace changes that")
    if there.digest == stands_for:
        return Outcome.SAME
    if there.ended is None:
        if result.ended is None and now - there.heard < ALIVE:
            return Outcome.FLYING
        return Outcome.BETTER
    if result.ended is None:
        # The file was read while the flight flew, and the store knows how it ended.
        return Outcome.SAME
    msg = f"flight {result.flight_id} is in the store already, with other results"
    raise UsageError(msg, hint="--replace takes these instead; --flight gives them another id")


def _about(result: FlightResult, about: About | None, given: Given, there: AnyRow | None) -> About:
    """What is given goes before what the file says, and that before what is in the store."""
    known = about or (
        About(
            branch=there.branch if there else result.flight,
            blessing=there.blessing if there else ADHOC,
            origin=Origin(there.origin) if there else Origin.RESULTS,
            controller=there.controller if there else None,
            directory=there.directory if there else None,
        )
    )
    return replace(
        known,
        branch=given.branch or known.branch,
        blessing=given.blessing or known.blessing,
        revisions={**known.revisions, **(given.revisions or {})},
    )
