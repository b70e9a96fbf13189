"""Flights out of the directories that they leave under ``reports/runs``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from harness.errors import UsageError
from harness.gate.verdict import VerdictFile
from harness.judge.runs import flight_directories, gate_opened
from harness.results.belonging import read_belonging
from harness.results.heard import SILENCE, heard_of, read_result
from harness.results.layout import FlightDirectory
from harness.results.model import FlightResult
from harness.results.runs import Run
from harness.site.archive import Head
from harness.site.records import head_of, runs_of


@dataclass(frozen=True, kw_only=True)
class Flight:
    """What is kept in memory of one directory."""

    path: Path
    stamp: tuple[int, ...]
    head: Head
    runs: tuple[Run, ...]


Known = dict[Path, Flight]
"""What was read before, to read only what changed since."""


class DirectoryArchive:
    """`Archive` of the flights in *paths*, the newest of which come first.

    A flight that cannot be read is left out; `unread` says why. Of two directories with the same
    flight the first counts. What *known* has is not read again unless its files have changed.
    """

    def __init__(
        self, paths: Iterable[Path], *, now: datetime | None = None, known: Known | None = None
    ) -> None:
        self._now = now or datetime.now(UTC)
        self._known: Known = {} if known is None else known
        self._flights: dict[str, Flight] = {}
        self._verdicts: dict[str, VerdictFile | None] = {}
        self.unread: list[str] = []
        for path in paths:
            try:
                flight = self._read(path)
            except UsageError as error:
                self.unread.append(str(error))
                continue
            self._flights.setdefault(flight.head.flight, flight)
        self._heads = sorted(
            (flight.head for flight in self._flights.values()),
            key=lambda head: (head.started, head.flight),
            reverse=True,
        )
        self._by_job: dict[tuple[str, str], list[Run]] = defaultdict(list)
        self._by_host: dict[str, list[Run]] = defaultdict(list)
        for head in self._heads:
            for run in self._flights[head.flight].runs:
                self._by_job[head.branch, run.job].append(run)
                if run.host:
                    self._by_host[run.host].append(run)

    @classmethod
    def below(
        cls, runs: Path, *, now: datetime | None = None, known: Known | None = None
    ) -> DirectoryArchive:
        """That of all flights below *runs*, such as ``reports/runs``."""
        return cls(flight_directories(runs), now=now, known=known)

    def heads(self) -> Sequence[Head]:
        """See `Archive`."""
        return self._heads

    def result(self, flight: str) -> FlightResult:
        """See `Archive`."""
        found = self._flights.get(flight)
        if found is None:
            msg = f"there is no flight {flight!r} here"
            raise UsageError(msg)
        return read_result(found.path)

    def runs(self, branch: str, job: str) -> Sequence[Run]:
        """See `Archive`."""
        return self._by_job.get((branch, job), ())

    def runs_on(self, host: str) -> Sequence[Run]:
        """See `Archive`."""
        return self._by_host.get(host, ())

    def verdict(self, flight: str) -> VerdictFile | None:
        """See `Archive`. One that is damaged, or of a newer xenflight, says nothing."""
        found = self._flights.get(flight)
        if found is None:
            return None
        if flight not in self._verdicts:
            self._verdicts[flight] = read_verdict(found.path)
        return self._verdicts[flight]

    def directory(self, flight: str) -> Path | None:
        """See `Archive`."""
        found = self._flights.get(flight)
        return found.path if found else None

    def _read(self, path: Path) -> Flight:
        stamp = tuple(_stamps(path))
        known = self._known.get(path)
        # One that runs ends, or is taken for dead, without a change of its files.
        if known and known.stamp == stamp and not known.head.running:
            return known
        result = read_result(path)
        heard = heard_of(path) if result.ended is None else None
        running = heard is not None and self._now - heard < SILENCE
        opened = gate_opened(FlightDirectory(path))
        said = read_belonging(FlightDirectory(path))
        branch = said.branch if said else None
        head = head_of(result, branch=branch, gate_open=opened, heard=heard, running=running)
        flight = Flight(path=path, stamp=stamp, head=head, runs=tuple(runs_of(result)))
        self._known[path] = flight
        return flight


def read_verdict(path: Path) -> VerdictFile | None:
    """What the gate said, out of a flight's directory; None where nothing makes sense."""
    try:
        text = FlightDirectory(path).verdict.read_text(encoding="utf-8")
        return VerdictFile.model_validate_json(text, strict=True)
    except (OSError, ValidationError, UnicodeDecodeError):
        return None


def _stamps(path: Path) -> Iterator[int]:
    files = FlightDirectory(path)
    for file in (files.results, files.events, files.verdict):
        try:
            found = file.stat()
        except OSError:
            yield 0
        else:
            yield from (found.st_mtime_ns, found.st_size)
