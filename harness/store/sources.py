"""What can be taken in: which files are meant, and what is in them."""

from __future__ import annotations

import gzip
import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from harness.errors import Place, UsageError
from harness.judge.runs import gate_asked, gate_opened
from harness.results.belonging import read_belonging
from harness.results.layout import FlightDirectory
from harness.results.load import load_results, recover_results
from harness.results.model import FlightResult
from harness.store.about import About
from harness.store.exports import ExportedFlight, is_export, read_exported
from harness.store.junit.flight import Said, junit_flight
from harness.store.spool import is_spool, read_spooled

_HEAD = 200
"""Letters by which a file is told."""
_NAMES = (".xml", ".json", ".jsonl", ".jsonl.gz")


@dataclass(frozen=True, kw_only=True)
class Found:
    """One flight that was read."""

    result: FlightResult
    about: About | None = None
    """What stood beside it; None for results.json, which tells of the flight only."""
    defined: Mapping[str, Iterable[str]] | None = None
    over: Container[str] = ()
    exported: ExportedFlight | None = None
    directory: str | None = None
    gate: bool | None = None
    """What the verdict beside it says; None without one."""
    gate_at: datetime | None = None


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Each of *paths*, or what is below it that may hold results: directories of flights, too.

    Raises `UsageError` when one is not there.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir() and not _is_flight(path):
            found += _below(path)
        elif path.is_file() or _is_flight(path):
            found.append(path)
        elif path.exists():
            msg = f"{path} is no ordinary file"
            raise UsageError(msg)
        else:
            msg = f"{path} is not there"
            raise UsageError(msg)
    return found


def read_source(path: Path, said: Said) -> Iterator[Found]:
    """The flights in a file, or in a flight's directory.

    Raises `UsageError`, with the place, for what can't be read, and for what was on simulated
    hosts: it says nothing of any guest.
    """
    for found in _read(path, said):
        if found.result.simulated:
            msg = f"flight {found.result.flight_id} was on simulated hosts: it counts for nothing"
            raise UsageError(msg, place=Place(file=str(path)))
        yield found


def _read(path: Path, said: Said) -> Iterator[Found]:
    head = "" if path.is_dir() else _head(path)
    if head.lstrip().startswith("<"):
        result, about = junit_flight(path, said)
        yield Found(result=result, about=about)
        return
    if said.flight or said.time or said.host:
        msg = "it says itself which flight it is, when and where it was"
        hint = "--flight, --time and --host are for JUnit"
        raise UsageError(msg, hint=hint, place=Place(file=str(path)))
    if path.is_dir():
        yield _of_directory(path)
    elif is_export(head):
        with opened(path) as file:
            for exported in read_exported(path, file):
                yield Found(result=exported.result, about=exported.about, exported=exported)
    elif is_spool(head):
        spooled = read_spooled(path)
        defined = {name: job.planned.runvars.keys() for name, job in spooled.log.jobs.items()}
        over = {name for name, job in spooled.log.jobs.items() if job.ended}
        result = spooled.log.result()
        yield Found(result=result, about=spooled.about, defined=defined, over=over)
    elif path.name == FlightDirectory(path.parent).events.name:
        yield Found(result=recover_results(path.parent), about=None, directory=_home(path))
    else:
        yield Found(result=load_results(path), about=None, directory=_home(path))


def opened(path: Path) -> IO[str]:
    """A text file, packed by gzip or not."""
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _of_directory(path: Path) -> Found:
    files = FlightDirectory(path)
    about = _beside(files)
    # results.json is newer than a line of events by a moment, or missing after a kill.
    result = load_results(path) if files.results.exists() else recover_results(path)
    if result.ended is None and files.events.exists():
        result = recover_results(path)
    return Found(
        result=result,
        about=about,
        directory=str(path.resolve()),
        gate=gate_opened(files),
        gate_at=gate_asked(files),
    )


def _beside(files: FlightDirectory) -> About | None:
    """What a run wrote down about its flight; None when it did not."""
    said = read_belonging(files)
    if said is None:
        return None
    return About(branch=said.branch, blessing=said.blessing, directory=str(files.path.resolve()))


def _home(path: Path) -> str:
    return str(path.parent.resolve())


def _head(path: Path) -> str:
    try:
        with opened(path) as file:
            head = file.read(_HEAD).removeprefix("\N{BYTE ORDER MARK}")
    except UnicodeDecodeError:
        # XML may be in any encoding, and says so itself; nothing else of ours is.
        return "<" if path.suffix == ".xml" else ""
    except (OSError, EOFError) as error:
        msg = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise UsageError(msg, place=Place(file=str(path))) from error
    if not head:
        msg = "the file is empty: there is no flight in it"
        raise UsageError(msg, place=Place(file=str(path)))
    return head


def _is_flight(path: Path) -> bool:
    files = FlightDirectory(path)
    return files.results.is_file() or files.events.is_file()


def _below(path: Path) -> list[Path]:
    found: list[Path] = []
    for folder, names, files in os.walk(path):
        names.sort()
        here = Path(folder)
        if here != path and _is_flight(here):
            found.append(here)
            names.clear()
            continue
        # Links are not followed: reports/runs/latest is the newest flight once more.
        names[:] = [name for name in names if not (here / name).is_symlink()]
        found += [here / name for name in sorted(files) if name.endswith(_NAMES)]
    return found
