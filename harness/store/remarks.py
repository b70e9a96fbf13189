"""What people and judges say of flights that are in the store: gates, waivers, notes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, delete, insert, or_, update

from harness.cache import content_key
from harness.errors import UsageError
from harness.judge.waiver import Waiver
from harness.store.history import OPEN, SHUT
from harness.store.names import find_flight
from harness.store.rows import Row, clean
from harness.store.tables import FlightRow, NoteRow, WaiverRow, WaiverUseRow
from harness.store.write import flight_number, upsert_shared


def record_gate(
    connection: Connection, flight_id: str, *, opened: bool, at: datetime, older: bool = True
) -> bool:
    """Write what a flight's gate said; False when the flight is not in the store.

    The last word counts: a gate may be asked again, with another policy. Without *older* a word
    that is not newer than what is there changes nothing.
    """
    values = {"gate": OPEN if opened else SHUT, "gate_at": at}
    number = flight_number(connection, flight_id)
    if number is None:
        return False
    statement = update(FlightRow).where(FlightRow.id == number).values(values)
    if not older:
        statement = statement.where(or_(FlightRow.gate_at.is_(None), FlightRow.gate_at < at))
    connection.execute(statement)
    return True


def record_waivers(
    connection: Connection,
    flight_id: str,
    used: Iterable[tuple[Waiver, str, str]],
    *,
    at: datetime,
) -> None:
    """Write which waivers excused which job and step of a flight, in place of what was written of
    it before. `UsageError` when the flight is not in the store.
    """
    number = find_flight(connection, flight_id)
    connection.execute(delete(WaiverUseRow).where(WaiverUseRow.flight == number))
    waivers: dict[str, Row] = {}
    uses: dict[tuple[str, str, str], Row] = {}
    for waiver, job, testid in used:
        key = waiver_key(waiver)
        waivers[key] = _row(key, waiver, at)
        place = {"waiver": key, "flight": number, "job": job, "testid": testid}
        uses[key, job, testid] = clean(place)
    upsert_shared(connection, WaiverRow, waivers, fresh=("expires",))
    if uses:
        connection.execute(insert(WaiverUseRow), list(uses.values()))


def add_note(
    connection: Connection,
    text: str,
    *,
    author: str,
    at: datetime,
    flight: str | None = None,
    job: str | None = None,
    host: str | None = None,
) -> None:
    """Write a remark on a flight, a job of it, or a host. A flight with one is never pruned.

    `UsageError` when it is on nothing, or the flight is not in the store.
    """
    if not (flight or host) or not text.strip():
        msg = "a note has a text, and is on a flight or on a host"
        raise UsageError(msg)
    row = {
        "at": at,
        "author": author,
        "text": text.strip(),
        "flight": find_flight(connection, flight) if flight else None,
        "job": job,
        "host": host,
    }
    connection.execute(insert(NoteRow), [clean(row)])


def waiver_key(waiver: Waiver) -> str:
    """Stands for a waiver, however often its last day is put off."""
    words = (waiver.kind, waiver.name, waiver.owner, waiver.reason, waiver.pattern or "")
    return content_key(*words, *waiver.jobs, "/", *waiver.steps)


def _row(key: str, waiver: Waiver, at: datetime) -> Row:
    row = {
        "key": key,
        "kind": str(waiver.kind.value),
        "name": waiver.name,
        "jobs": list(waiver.jobs),
        "steps": list(waiver.steps),
        "pattern": waiver.pattern,
        "owner": waiver.owner,
        "reason": waiver.reason,
        "link": waiver.link,
        "expires": waiver.expires,
        "first_used": at,
    }
    found: Row = clean(row)
    return found
