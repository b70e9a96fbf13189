"""History out of the directories that flights leave under ``reports/runs``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.judge.history import FlightRecord
from harness.judge.memory import MemoryHistory
from harness.judge.records import flight_record
from harness.results.belonging import ADHOC, read_belonging
from harness.results.layout import LATEST, FlightDirectory
from harness.results.load import load_results
from harness.results.model import FlightResult

MOST = 2000
"""Only so many directories are read, the newest: more belong into a store."""


@dataclass(frozen=True, kw_only=True)
class Runs:
    """What was read. *unread* says which flights could not be, and why."""

    history: MemoryHistory
    unread: tuple[str, ...] = ()


def load_runs(
    runs: Path, *, branches: Mapping[str, str] | None = None, blessing: str = ADHOC
) -> Runs:
    """The flights below *runs*.

    A flight that cannot be read is left out: history with a hole still says something. Where none
    stands beside its results, *branches* has a flight's branch by its name, or it is the name
    itself, and *blessing* is its blessing.
    """
    flights: dict[str, FlightRecord] = {}
    unread: list[str] = []
    for path in flight_directories(runs):
        try:
            result = load_results(path)
            said = read_belonging(FlightDirectory(path))
            branch = said.branch if said else (branches or {}).get(result.flight)
            trusted = said.blessing if said else blessing
            found = _record(path, result, branch, trusted)
        except UsageError as error:
            unread.append(str(error))
            continue
        flights.setdefault(found.flight, found)
    return Runs(history=MemoryHistory(flights.values()), unread=tuple(unread))


def read_flight(
    path: Path, *, branch: str | None = None, blessing: str | None = None
) -> FlightRecord:
    """The flight in a directory, and what its gate said. `UsageError` when it cannot be read, or
    was on simulated hosts.

    *branch* and *blessing* go before what stands beside its results.
    """
    result = load_results(path)
    said = read_belonging(FlightDirectory(path))
    if said:
        branch, blessing = branch or said.branch, blessing or said.blessing
    return _record(path, result, branch, blessing or ADHOC)


def _record(path: Path, result: FlightResult, branch: str | None, blessing: str) -> FlightRecord:
    if result.simulated:
        msg = f"flight {result.flight_id} was on simulated hosts: it counts for nothing"
        raise UsageError(msg)
    opened = gate_opened(FlightDirectory(path))
    return flight_record(result, branch=branch, blessing=blessing, gate_open=opened)


def gate_opened(files: FlightDirectory) -> bool | None:
    """What the verdict beside a flight's results says; None where none makes sense."""
    gate = _verdict(files).get("gate")
    return {"open": True, "shut": False}.get(gate) if isinstance(gate, str) else None


def gate_asked(files: FlightDirectory) -> datetime | None:
    """When that was."""
    try:
        asked = datetime.fromisoformat(str(_verdict(files).get("judged")))
    except ValueError:
        return None
    return asked if asked.tzinfo else asked.replace(tzinfo=UTC)


def _verdict(files: FlightDirectory) -> dict[str, Any]:
    try:
        data = json.loads(files.verdict.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def flight_directories(runs: Path) -> Iterator[Path]:
    """The directories of flights, the newest first, no more than `MOST`. Their ids end with their
    times, but begin with their names: the time of the directory is good enough to leave out very
    old ones."""
    try:
        found = [path for path in runs.iterdir() if path.is_dir() and path.name != LATEST]
    except OSError:
        return
    found = [path for path in found if FlightDirectory(path).results.is_file()]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    yield from found[:MOST]
