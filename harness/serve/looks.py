"""Where served flights come from: their directories, or a store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from harness.gate.past import past_stored
from harness.site.archive import Archive
from harness.site.directories import DirectoryArchive, Known
from harness.site.stored import Statuses, StoreArchive
from harness.store.store import Store


class Looked(NamedTuple):
    """What was found."""

    archive: Archive
    unread: tuple[str, ...]
    """What is missing in it, and why."""


Look = Callable[[datetime], Looked]
"""Looks, at that moment. What was read before and has not changed is not read again."""


def look_at_directories(runs: Path) -> Look:
    """At the flights below *runs*."""
    known: Known = {}

    def look(moment: datetime) -> Looked:
        archive = DirectoryArchive.below(runs, now=moment, known=known)
        return Looked(archive, tuple(archive.unread))

    return look


def look_at_store(store: Store, runs: Path) -> Look:
    """At those in *store*; *runs* is only looked through for some that it lacks."""
    known: Statuses = {}

    def look(moment: datetime) -> Looked:
        with store.reading() as seen:
            remarks = past_stored(seen, runs, but="").remarks
        return Looked(StoreArchive(store, now=moment, known=known), remarks)

    return look
