"""Results that could not be written to the store: kept in files, delivered later.

A file holds all there is to know of one flight: a line about it, then its events as they stand
in ``events.jsonl``. So it can be delivered on its own, when the flight's directory is gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import Place, UsageError
from harness.results.layout import FlightDirectory, safe_name
from harness.results.load import add_up, read_text
from harness.results.log import FlightLog
from harness.results.recorder import write_atomically
from harness.store.about import About, Origin, as_envelope

VERSION = 1
_WORD = "xenflight_spool"


@dataclass(frozen=True)
class Spooled:
    """One flight that waits for its store."""

    about: About
    log: FlightLog
    store: str
    """The store that it was meant for, as people know it."""


def spool_flight(folder: Path, about: About, store: str, flight: FlightDirectory) -> Path:
    """Keep what is known of *flight* by now; replaces what was kept of it before.

    `OSError` when that is not possible.
    """
    head = {_WORD: VERSION, "store": store, **as_envelope(about)}
    events = flight.events.read_text(encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{safe_name(flight.path.name)}.jsonl"
    write_atomically(path, f"{json.dumps(head)}\n{events}")
    return path


def pending(folder: Path) -> list[Path]:
    """What waits there, oldest first."""

    def age(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except FileNotFoundError:  # delivered by somebody else meanwhile
            return 0.0

    return sorted(folder.glob("*.jsonl"), key=age)


def read_spooled(path: Path) -> Spooled:
    """What a file keeps. When its flight went on after that, what its directory has now.

    Raises `UsageError`, with the place, when the file is damaged.
    """
    head, _, events = read_text(path).partition("\n")
    about, store = _head(path, head)
    log = add_up(path, events, first=2)
    if log.ended is None and about.directory:
        now = FlightDirectory(Path(about.directory)).events
        if now.is_file() and (text := read_text(now)).startswith(events):
            log = add_up(now, text)
    return Spooled(about, log, store)


def is_spool(text: str) -> bool:
    """Whether a file that begins like this is one of ours."""
    return text.startswith(f'{{"{_WORD}"')


def _head(path: Path, line: str) -> tuple[About, str]:
    try:
        data = json.loads(line)
        if data[_WORD] != VERSION:
            msg = f"kept by another xenflight: version {data[_WORD]}, and this one knows {VERSION}"
            raise UsageError(msg, place=Place(file=str(path), line=1))
        return about_of(data), str(data["store"])
    except (ValueError, KeyError, TypeError) as error:
        msg = f"the file is damaged: {type(error).__name__}: {error}"
        raise UsageError(msg, place=Place(file=str(path), line=1)) from error


def about_of(data: dict[str, Any]) -> About:
    """What `as_envelope` wrote; `KeyError`, `ValueError` or `TypeError` when it is not that."""
    return About(
        branch=str(data["branch"]),
        blessing=str(data["blessing"]),
        origin=Origin(data["origin"]),
        controller=data["controller"],
        directory=data["directory"],
        gate=data["gate"],
        revisions={str(tree): str(revision) for tree, revision in data["revisions"].items()},
    )


def all_pending(data: Path) -> Iterator[tuple[str, list[Path]]]:
    """For each store that something waits for: the key of the store, and what waits."""
    for folder in sorted((data / "spool").glob("*/")):
        if found := pending(folder):
            yield folder.name, found
