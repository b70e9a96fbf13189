"""Which parts there are, and that all of them are. Imported by ``merge`` when it runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.errors import UsageError
from harness.flight.plan import ShardSpec, from_json
from harness.results.layout import LATEST, FlightDirectory


def part_directories(paths: Iterable[Path]) -> list[Path]:
    """The directories of flights among *paths* and in them, each once, in order.

    `UsageError` for a path where there is none.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        events = [path / "events.jsonl"] if path.is_dir() else []
        if not (events and events[0].is_file()):
            events = sorted(one for one in path.rglob("events.jsonl") if one.is_file())
        events = [one for one in events if one.parent.name != LATEST]
        if not events:
            msg = f"there is no flight in {path}"
            raise UsageError(msg, hint="give the directory of a flight, or one that has some in it")
        found |= {one.parent.resolve(): one.parent for one in events}
    return list(found.values())


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
