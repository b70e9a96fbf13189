"""Taking in many flights: in batches, each flight whole or not at all, and twice is once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from harness.errors import UsageError
from harness.progress import Progress, silent
from harness.store.deliver import deliver
from harness.store.exports import put_beside
from harness.store.faults import StoreError
from harness.store.junit.flight import Said
from harness.store.limits import check_limits
from harness.store.put import Given, Outcome, put_result
from harness.store.remarks import record_gate
from harness.store.sources import Found, find_files, read_source
from harness.store.spool import pending
from harness.store.store import Store
from harness.store.write import flight_number

BATCH = 5_000
"""Steps that are written in one transaction, about: half a second, for which others wait."""
TRIES = 3
"""Two who import the same hosts at once may be in each other's way."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Imported:
    """What became of it all."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    """Why, of each that could not be read or is there with other results."""


def import_files(
    store: Store,
    paths: Sequence[Path],
    said: Said,
    given: Given,
    *,
    progress: Progress = silent,
    now: Callable[[], datetime] = _utc_now,
) -> Imported:
    """Take in all flights in *paths*.

    What can't be read is told of at the end, and hinders no other. `UsageError` when a path is
    not there, or one flight id is given for many; `StoreError` when the store can't take them:
    what was taken in before stays.
    """
    files = find_files(paths)
    if said.flight and len(files) > 1:
        msg = f"--flight names one flight, and here are {len(files)} files"
        raise UsageError(msg)
    done = Imported()
    for batch in _batches(files, said, done, progress):
        if batch:
            done.outcomes += _write(store, batch, given, done, now)
    return done


def deliver_all(
    store: Store, *, progress: Progress = silent, now: Callable[[], datetime] = _utc_now
) -> Imported:
    """Deliver all that was kept when *store* could not be written to; `StoreError` if it can't be.

    What is damaged stays where it is.
    """
    done = Imported()
    waiting = pending(store.url.spool)
    for count, path in enumerate(waiting):
        progress(f"delivering: {count} of {len(waiting)} flights", count / len(waiting))
        try:
            done.outcomes[deliver(store, path, now=now)] += 1
        except UsageError as error:
            done.refused.append(str(error))
    return done


def _batches(
    files: Sequence[Path], said: Said, done: Imported, progress: Progress
) -> Iterator[list[Found]]:
    batch: list[Found] = []
    steps = 0
    for count, path in enumerate(files):
        progress(f"importing: {count} of {len(files)} files", count / len(files))
        try:
            for found in read_source(path, said):
                check_limits(found.result)
                batch.append(found)
                steps += 1 + sum(1 + len(job.steps) for job in found.result.jobs)
                if steps >= BATCH:
                    yield batch
                    batch, steps = [], 0
        except UsageError as error:
            done.refused.append(str(error))
    yield batch


def _write(
    store: Store,
    batch: Sequence[Found],
    given: Given,
    done: Imported,
    now: Callable[[], datetime],
) -> Counter[Outcome]:
    for left in reversed(range(TRIES)):
        refused: list[str] = []
        outcomes: Counter[Outcome] = Counter()
        try:
            with store.writing(make=True) as connection:
                # In order: two who import the same flights must not wait for each other.
                for found in sorted(batch, key=lambda one: one.result.flight_id):
                    try:
                        outcomes[_put(connection, found, given, now())] += 1
                    except UsageError as error:
                        # Said before anything was written of it.
                        refused.append(str(error))
        except StoreError as error:
            if left and error.passing:
                continue
            raise
        done.refused += refused
        return outcomes
    raise AssertionError


def _put(connection: Connection, found: Found, given: Given, now: datetime) -> Outcome:
    outcome = put_result(
        connection,
        found.result,
        found.about,
        given,
        now=now,
        defined=found.defined,
        over=found.over,
        directory=found.directory,
    )
    if found.exported and outcome in {Outcome.NEW, Outcome.BETTER}:
        number = flight_number(connection, found.result.flight_id)
        assert number is not None
        put_beside(connection, number, found.exported)
    if found.gate is not None and outcome is not Outcome.FLYING:
        # It may have been asked when the store could not be written to.
        asked = found.gate_at or found.result.ended or found.result.started
        record_gate(connection, found.result.flight_id, opened=found.gate, at=asked, older=False)
    return outcome
