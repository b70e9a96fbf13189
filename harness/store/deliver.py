"""Delivering what could not be written when it happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import UsageError
from harness.store.faults import StoreError
from harness.store.put import Given, Outcome, put_result
from harness.store.spool import pending, read_spooled
from harness.store.store import Store

AT_ONCE = 100
"""Flights that a run delivers before its own goes on; the next one goes on from there."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def deliver(store: Store, path: Path, *, now: Callable[[], datetime] = _utc_now) -> Outcome:
    """Write the flight that *path* keeps, then remove the file.

    `StoreError` when the store can't take it, `UsageError` when the file is damaged or the
    flight is there with other results; the file stays then.
    """
    spooled = read_spooled(path)
    defined = {name: job.planned.runvars.keys() for name, job in spooled.log.jobs.items()}
    over = {name for name, job in spooled.log.jobs.items() if job.ended}
    with store.writing(make=True) as connection:
        outcome = put_result(
            connection,
            spooled.log.result(),
            spooled.about,
            Given(),
            now=now(),
            defined=defined,
            over=over,
        )
    if outcome is not Outcome.FLYING:
        path.unlink(missing_ok=True)
    return outcome


def deliver_pending(store: Store, *, now: Callable[[], datetime] = _utc_now) -> list[str]:
    """All that waits for *store*, up to `AT_ONCE`; what to say of it. Never raises for a store."""
    notes: list[str] = []
    done = 0
    for path in pending(store.url.spool)[:AT_ONCE]:
        try:
            deliver(store, path, now=now)
            done += 1
        except UsageError as error:
            if path.exists():  # else another run was quicker
                notes.append(f"kept results could not be delivered: {error}")
        except StoreError as error:
            notes.append(f"kept results could not be delivered: {error}")
            break
    if done:
        notes.insert(
            0, f"{done} flight{'s' if done > 1 else ''} from before delivered to the store"
        )
    return notes
