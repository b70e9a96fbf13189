"""The flights that a gate judges by: the store's, or those whose directories lie here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.errors import UsageError
from harness.judge.history import FlightRecord, History
from harness.judge.runs import load_runs, read_flight
from harness.results.belonging import ADHOC
from harness.results.layout import LATEST, FlightDirectory
from harness.store.history import StoreHistory
from harness.store.names import find_whereabouts, known_flights
from harness.store.store import Transaction


class Past(Protocol):
    """History, and what is to be said of it."""

    @property
    def history(self) -> History:
        """All of it."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is missing in it that might be thought to be there."""

    def named(self, text: str) -> FlightRecord | None:
        """The flight that somebody names; None when there is no such."""


@dataclass(frozen=True, kw_only=True)
class DirectoryPast:
    """What the directories of flights say."""

    history: History
    remarks: tuple[str, ...]

    def named(self, text: str) -> FlightRecord | None:
        """See `Past`."""
        return self.history.flight(Path(text).name) or flight_at(text)


@dataclass(frozen=True, kw_only=True)
class StorePast:
    """What the store says, seen in one transaction."""

    connection: Transaction
    remarks: tuple[str, ...]

    @property
    def history(self) -> StoreHistory:
        """See `Past`."""
        return StoreHistory(self.connection)

    def named(self, text: str) -> FlightRecord | None:
        """See `Past`."""
        if "/" in text:
            return self.history.flight(Path(text).name) or flight_at(text)
        try:
            return self.history.flight(find_whereabouts(self.connection, text).flight_id)
        except UsageError:
            return flight_at(text)


def flight_at(text: str) -> FlightRecord | None:
    """The flight whose directory *text* is; None when it is no directory."""
    path = Path(text)
    return read_flight(path.resolve()) if path.is_dir() else None


def past_in(runs: Path, *, name: str, branch: str | None, blessing: str | None) -> DirectoryPast:
    """The flights below *runs*. Those called *name* are of *branch*, and all are blessed with
    *blessing*, where nothing stands beside their results.
    """
    branches = {name: branch} if branch else {}
    read = load_runs(runs, branches=branches, blessing=blessing or ADHOC)
    return DirectoryPast(history=read.history, remarks=read.unread)


def past_stored(connection: Transaction, runs: Path, *, but: str) -> StorePast:
    """The flights in the store. *runs* is only looked through for those that are not in it; the
    flight *but* need not be.
    """
    here = [path.name for path in _flights_in(runs) if path.name not in {but, LATEST}]
    missing = set(here) - known_flights(connection, here)
    return StorePast(connection=connection, remarks=tuple(_missing(missing, runs)))


def _missing(names: Iterable[str], runs: Path) -> Iterable[str]:
    missing = sorted(names)
    if not missing:
        return
    first = missing[0] + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
    yield f"{first}, not in the store; to take them in: xenflight db import {runs}"


def _flights_in(runs: Path) -> list[Path]:
    try:
        return [path for path in runs.iterdir() if FlightDirectory(path).results.is_file()]
    except OSError:
        return []
