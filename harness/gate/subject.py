"""Which flight the gate is asked about: by its directory, or as the store has it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import UsageError
from harness.flight.hints import did_you_mean
from harness.judge.history import FlightRecord
from harness.judge.runs import read_flight
from harness.results.layout import LATEST, FlightDirectory
from harness.results.load import load_results
from harness.store.history import StoreHistory
from harness.store.names import find_whereabouts
from harness.store.store import Transaction

RUNS = Path("reports") / "runs"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A flight to be judged."""

    record: FlightRecord
    name: str
    """Its name; its file is ``flights/NAME.yaml``."""
    path: Path | None
    """Its directory; None when that is not here."""


def find_directory(text: str | None, runs: Path = RUNS) -> Path | None:
    """The directory that a flight's id or a path leads to; the newest flight's with None.

    None when *text* is the id of no directory in *runs*. A path is returned though nothing be
    there: who reads it says so.
    """
    path = runs / LATEST if text is None else Path(text)
    if text and "/" not in text and not path.exists():
        path = runs / text
        if not path.is_dir():
            return None
    path = path.parent if path.is_file() else path
    return path.resolve() if path.exists() else path


def no_such_flight(text: str, runs: Path = RUNS) -> UsageError:
    """What to say where neither the directories nor a store have it."""
    known = [p.name for p in runs.iterdir() if p.is_dir()] if runs.is_dir() else []
    rest = did_you_mean(text, sorted(known)) if known else ": none has run in this directory"
    return UsageError(f"there is no flight {text!r} in {runs}{rest}")


def find_flight(text: str | None, runs: Path = RUNS) -> Path:
    """As `find_directory`, for what reads directories only: `UsageError` when there is none."""
    found = find_directory(text, runs)
    if found is None:
        raise no_such_flight(text or "", runs)
    return found


def subject_in(path: Path, *, branch: str | None, blessing: str | None) -> Subject:
    """The flight in a directory; what is given goes before what stands beside its results.

    `UsageError` when it cannot be read.
    """
    record = read_flight(path, branch=branch, blessing=blessing)
    return Subject(record=record, name=load_results(path).flight, path=path)


def subject_stored(
    connection: Transaction, text: str, *, branch: str | None, blessing: str | None
) -> Subject:
    """The flight that the store has under an id, the beginning of it, or a number.

    `UsageError` when there is none.
    """
    found = find_whereabouts(connection, text)
    record = StoreHistory(connection).flight(found.flight_id)
    assert record is not None
    branch, blessing = branch or record.branch, blessing or record.blessing
    jobs = tuple(replace(job, branch=branch, blessing=blessing) for job in record.jobs)
    path = Path(found.directory) if found.directory else None
    return Subject(
        record=replace(record, branch=branch, blessing=blessing, jobs=jobs),
        name=found.flight,
        path=path if path and _is_of(path, found.flight_id) else None,
    )


def _is_of(path: Path, flight_id: str) -> bool:
    """Whether the directory is here and of that flight, and not of another on this machine."""
    try:
        return load_results(FlightDirectory(path).results).flight_id == flight_id
    except UsageError:
        return False
