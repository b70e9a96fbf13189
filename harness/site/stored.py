"""Flights out of a store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import UsageError
from harness.gate.verdict import VerdictFile
from harness.results.heard import read_result
from harness.results.load import load_results
from harness.results.model import FlightResult
from harness.results.runs import Run
from harness.site.archive import Head
from harness.site.directories import read_verdict
from harness.status import Status
from harness.store.history import OPEN
from harness.store.pages import FlightHead, flight_heads, runs_of_job, runs_on_host, statuses_of
from harness.store.store import Store
from harness.store.whole import read_flight

DEPTH = 200
"""Runs of a job that are looked at: as many as its history shows."""
ON_HOST = 10_000
"""The same of a host, of all its jobs."""

Statuses = dict[tuple[int, str], Mapping[str, Status]]
"""What is known of the jobs of flights that ended, by the flight's number and digest. It is kept
from one archive to the next."""


class StoreArchive:
    """`Archive` of all flights in *store*, each question a transaction of its own."""

    def __init__(
        self, store: Store, *, now: datetime | None = None, known: Statuses | None = None
    ) -> None:
        self._store = store
        with store.reading() as connection:
            lines = flight_heads(connection, now or datetime.now(UTC))
        self._lines = {line.flight: line for line in lines}
        jobs = _Reader(store, lines, {} if known is None else known)
        self._heads = [_head(line, _Jobs(line.number, jobs)) for line in lines]
        self._runs: dict[tuple[str, str], Sequence[Run]] = {}
        self._directories: dict[str, Path | None] = {}
        self._verdicts: dict[str, VerdictFile | None] = {}

    def heads(self) -> Sequence[Head]:
        """See `Archive`."""
        return self._heads

    def result(self, flight: str) -> FlightResult:
        """See `Archive`. The directory of one that runs says more than the store."""
        line = self._lines.get(flight)
        if line is None:
            msg = f"there is no flight {flight!r} in the store"
            raise UsageError(msg)
        if path := self.directory(flight):
            return read_result(path)
        with self._store.reading() as connection:
            return read_flight(connection, line.number)

    def runs(self, branch: str, job: str) -> Sequence[Run]:
        """See `Archive`. The last `DEPTH`."""
        if (branch, job) not in self._runs:
            with self._store.reading() as connection:
                self._runs[branch, job] = runs_of_job(connection, branch, job, DEPTH)
        return self._runs[branch, job]

    def runs_on(self, host: str) -> Sequence[Run]:
        """See `Archive`. The last `ON_HOST`."""
        with self._store.reading() as connection:
            return runs_on_host(connection, host, ON_HOST)

    def verdict(self, flight: str) -> VerdictFile | None:
        """See `Archive`. The store itself knows no more than whether the gate opened."""
        if flight not in self._verdicts:
            path = self.directory(flight)
            self._verdicts[flight] = read_verdict(path) if path else None
        return self._verdicts[flight]

    def directory(self, flight: str) -> Path | None:
        """See `Archive`. One that has another flight's files by now counts as gone."""
        if flight not in self._directories:
            line = self._lines.get(flight)
            path = Path(line.directory) if line and line.directory else None
            self._directories[flight] = path if path and _is_of(path, flight) else None
        return self._directories[flight]


def _is_of(path: Path, flight: str) -> bool:
    try:
        return load_results(path).flight_id == flight
    except UsageError:
        return False


def _head(line: FlightHead, jobs: Mapping[str, Status]) -> Head:
    return Head(
        flight=line.flight,
        name=line.name,
        branch=line.branch,
        status=line.status,
        started=line.started,
        ended=line.ended,
        duration=line.duration,
        jobs=jobs,
        hosts=line.hosts,
        problems=line.problems,
        gate_open=None if line.gate is None else line.gate == OPEN,
        heard=line.heard if line.ended is None else None,
        running=line.running,
    )


class _Reader:
    """Reads the jobs of flights when they are asked for, with those of their branch beside them."""

    def __init__(self, store: Store, lines: Sequence[FlightHead], known: Statuses) -> None:
        self._store = store
        self._known = known
        self._keys = {line.number: (line.number, line.digest) for line in lines}
        by_branch: dict[str, list[int]] = defaultdict(list)
        for line in lines:
            by_branch[line.branch].append(line.number)
        self._beside = {
            number: part
            for numbers in by_branch.values()
            for part in (numbers[at : at + DEPTH] for at in range(0, len(numbers), DEPTH))
            for number in part
        }
        # Of one that runs what was known before says nothing.
        for number, digest in self._keys.values():
            if not digest:
                known.pop((number, digest), None)

    def read(self, number: int) -> Mapping[str, Status]:
        """The statuses of a flight's jobs, by name, in its order."""
        key = self._keys[number]
        if key not in self._known:
            missing = [one for one in self._beside[number] if self._keys[one] not in self._known]
            with self._store.reading() as connection:
                for one, found in statuses_of(connection, missing).items():
                    self._known[self._keys[one]] = found
        return self._known[key]


class _Jobs(Mapping[str, Status]):
    """The statuses of a flight's jobs, read when somebody asks for them: mostly nobody does."""

    def __init__(self, number: int, reader: _Reader) -> None:
        self._number = number
        self._reader = reader

    def __getitem__(self, name: str) -> Status:
        return self._reader.read(self._number)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._reader.read(self._number))

    def __len__(self) -> int:
        return len(self._reader.read(self._number))
