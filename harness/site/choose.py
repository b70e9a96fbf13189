"""Which flights a site is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import UsageError
from harness.gate.past import past_stored
from harness.gate.subject import RUNS, find_directory, find_flight
from harness.judge.runs import flight_directories
from harness.results.load import load_results
from harness.site.archive import Archive
from harness.site.directories import DirectoryArchive
from harness.site.stored import StoreArchive
from harness.store.names import LATEST as NEWEST
from harness.store.names import find_whereabouts
from harness.store.store import Store, Transaction


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The archive, and the ids of the flights that get pages of their own."""

    archive: Archive
    flights: tuple[str, ...]
    unread: tuple[str, ...] = ()
    """What is left out of it, and why."""


def choose(
    texts: Sequence[str],
    *,
    runs: Path | None = None,
    store: Store | None = None,
    every: bool = False,
) -> Chosen:
    """The flights that *texts* name (ids, or directories), or the newest; with *every* all.

    History is what is in *runs*, else in *store*, else beside each of them. Where the store lacks
    one of them, it is that beside them, too. `UsageError` for one that is not there or cannot be
    read, and when there is none at all.
    """
    lacking = ""
    if store and runs is None:
        archive = StoreArchive(store)
        with store.reading() as seen:
            remarks = past_stored(seen, RUNS, but="").remarks
            named = {} if every else _named(texts, seen)
        ids = [head.flight for head in archive.heads()] if every else list(named)
        known = {head.flight for head in archive.heads()}
        missing = [flight for flight in ids if flight not in known]
        if ids and not missing:
            return Chosen(archive=archive, flights=tuple(ids), unread=remarks)
        if missing:
            lacking = f"the store, which lacks {missing[0]}"
            lacking += f"; to take it in: xenflight db import {named[missing[0]]}"
    found = _in_directories(texts, runs, every=every)
    return replace(found, unread=(lacking, *found.unread)) if lacking else found


def _named(texts: Sequence[str], seen: Transaction) -> dict[str, Path | None]:
    """The ids that are meant, and the directories of those that have one here."""
    found: dict[str, Path | None] = {}
    newest = None if texts else find_directory(None)
    if newest and newest.exists():
        return {load_results(newest).flight_id: newest}
    for text in texts or [NEWEST]:
        if path := find_directory(text):
            found[load_results(path).flight_id] = path
        else:
            found[find_whereabouts(seen, text).flight_id] = None
    return found


def _in_directories(texts: Sequence[str], runs: Path | None, *, every: bool) -> Chosen:
    home = runs or RUNS
    if every:
        return _all(home)
    paths = [find_flight(text, home) for text in texts] or [find_flight(None, home)]
    ids = tuple(dict.fromkeys(load_results(path).flight_id for path in paths))
    around = [runs] if runs else list(dict.fromkeys(path.parent for path in paths))
    archive = DirectoryArchive([*paths, *_beside(around, paths)])
    return Chosen(archive=archive, flights=ids, unread=tuple(archive.unread))


def _beside(folders: Iterable[Path], known: Sequence[Path]) -> list[Path]:
    mine = {path.resolve() for path in known}
    found = (path for folder in folders for path in flight_directories(folder))
    return [path for path in found if path.resolve() not in mine]


def _all(runs: Path) -> Chosen:
    archive = DirectoryArchive.below(runs)
    if not archive.heads():
        why = f": {archive.unread[0]}" if archive.unread else ""
        msg = f"there are no flights in {runs}{why}"
        raise UsageError(msg, hint="xenflight run smoke makes one; --runs says where they are")
    flights = tuple(head.flight for head in archive.heads())
    return Chosen(archive=archive, flights=flights, unread=tuple(archive.unread))
