"""Which parts there are, and that all of them are. Imported by ``merge`` when it runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.errors import UsageError
from harness.flight.plan import ShardSpec, from_json
from harness.results.layout import LATEST, FlightDirectory

EVENTS = "events.jsonl"


def part_directories(paths: Iterable[Path]) -> list[Path]:
    """The directories of flights among *paths* and in them, each once, in order.

    `UsageError` for a path where there is none.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        flights = [path] if (path / EVENTS).is_file() else sorted(_below(path))
        if not flights:
            msg = f"there is no flight in {path}"
            raise UsageError(msg, hint="give the directory of a flight, or one that has some in it")
        found |= {one.resolve(): one.resolve() if one.name == LATEST else one for one in flights}
    return list(found.values())


def _below(path: Path) -> Iterator[Path]:
    """The directories of flights; what cannot be looked into has none."""
    for folder, _, files in os.walk(path):
        if EVENTS in files:
            yield Path(folder)


def require_all_shards(paths: Iterable[Path]) -> None:
    """`UsageError` when some of *paths* are shards, and not all of one flight's are there."""
    shards = {path: shard for path in paths if (shard := _shard_of(path))}
    wholes = {(shard.of, shard.count) for shard in shards.values()}
    if not shards:
        return
    if len(wholes) > 1:
        msg = "these are shards of flights with different jobs, or of different counts"
        raise UsageError(msg, hint="each is of the same flight, with the same --shard I/N")
    (_, count), *_ = wholes
    there = {shard.index for shard in shards.values()}
    if missing := [f"{index}/{count}" for index in range(1, count + 1) if index not in there]:
        msg = f"shards are missing: {', '.join(missing)}"
        raise UsageError(msg)


def _shard_of(path: Path) -> ShardSpec | None:
    try:
        return from_json(FlightDirectory(path).plan.read_text(encoding="utf-8")).shard
    except (OSError, UsageError, UnicodeDecodeError):
        return None


def import_whole(directory: Path, store: str | None) -> None:
    """Take the whole into the store, if there is to be one; simulated flights count for nothing."""
    from harness.results.load import load_results
    from harness.store.importing import import_files
    from harness.store.junit.flight import Said
    from harness.store.put import Given
    from harness.store.store import Store
    from harness.store.url import find_store

    url = find_store(store)
    if url is None or load_results(directory).simulated:
        return
    with Store(url) as chosen:
        chosen.make()
        import_files(chosen, [directory], Said(), Given())
