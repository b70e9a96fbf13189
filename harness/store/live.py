"""A flight in the store while it flies: after each save its rows are what is known of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from harness.results.events import (
    Event,
    FlightStarted,
    HostKnown,
    ImageReady,
    JobEnded,
    JobRetried,
    Problem,
    StepFinished,
    StepStarted,
)
from harness.results.log import FlightLog
from harness.store.about import About
from harness.store.artifacts import artifact_rows
from harness.store.flightrows import all_rows, flight_parts, flight_row
from harness.store.jobrows import Frame, job_rows
from harness.store.rows import Row, Rows, digest
from harness.store.tables import ArtifactRow, Base, HostEventRow
from harness.store.write import (
    Key,
    by_key,
    changes,
    delete_rows,
    put_flight,
    replace_rows,
    touch_flight,
    upsert_rows,
)

Written = dict[type[Base], dict[Key, Row]]
OF_NO_PART: tuple[type[Base], ...] = (HostEventRow, ArtifactRow)
"""Written with the whole flight only."""


class LiveFlight:
    """Adds up a flight's events, and writes what they change.

    What is not known to be in the store is written anew: all of the flight at first, after a
    fault, and at its end; else the job that an event was about.
    """

    def __init__(self, about: About) -> None:
        self._about = about
        self._log: FlightLog | None = None
        self._number: int | None = None
        self._jobs: dict[str, Written] = {}
        """By job what stands in the store, as far as it was written by us."""
        self._parts: Written = {}
        self._dirty: set[str] = set()
        self._all = True
        self._parts_changed = False
        self._numbers: dict[str, int] = {}
        """Of jobs, in their order."""
        self._on: dict[str, set[str]] = {}
        """The jobs that were on each host."""

    def took(self, event: Event) -> None:
        """Something happened. Nothing is written yet."""
        if isinstance(event, FlightStarted):
            self._log = FlightLog(event.header)
            self._numbers = {name: number for number, name in enumerate(self._log.jobs)}
        if self._log is None:
            return
        self._log.add(event)
        match event:
            case StepStarted() | StepFinished() | JobRetried():
                self._dirty.add(event.job)
            case JobEnded():
                self._dirty.add(event.job)
                self._on.setdefault(event.host or "", set()).add(event.job)
            case HostKnown(host=host):
                self._parts_changed = True
                # The first of them was the only one, where jobs were that do not tell.
                few = len(self._log.hosts) <= 2
                self._dirty.update(self._log.jobs if few else self._on.get(host.name, ()))
            case ImageReady(image=image):
                self._parts_changed = True
                named = (image.dist, image.arch)
                jobs = (log.planned for log in self._log.jobs.values())
                self._dirty.update(job.name for job in jobs if (job.dist, job.arch) == named)
            case Problem():
                self._parts_changed = True
            case _:
                pass

    @property
    def begun(self) -> bool:
        """Whether there is anything to write."""
        return self._log is not None

    @property
    def ended(self) -> bool:
        """Whether the flight is over."""
        return self._log is not None and self._log.ended is not None

    def forget(self) -> None:
        """What was being written may not have come to be: write all of it next time."""
        self._all = True

    def save(self, connection: Connection, now: datetime) -> None:
        """Write what changed since the last save. Call `saved` when the transaction is over."""
        if self._log is None:
            return
        if self._all or self.ended:
            self._save_all(connection, self._log, now)
        else:
            self._save_changes(connection, self._log, now)

    def saved(self) -> None:
        """It is in the store now."""
        self._all = self._parts_changed = False
        self._dirty.clear()

    def _save_all(self, connection: Connection, log: FlightLog, now: datetime) -> None:
        result = log.result()
        stands_for = digest(result) if result.ended else ""
        row = flight_row(result, self._about, now, stands_for)
        self._number, _ = put_flight(connection, row)
        defined = {name: job.planned.runvars.keys() for name, job in log.jobs.items()}
        over = {name for name, job in log.jobs.items() if job.ended}
        rows = all_rows(self._number, result, self._about, defined=defined, over=over)
        rows.take(artifact_rows(self._number, result, self._about.directory))
        replace_rows(connection, self._number, rows)
        self._jobs, self._parts = _by_job(log, rows)

    def _save_changes(self, connection: Connection, log: FlightLog, now: datetime) -> None:
        assert self._number is not None
        if self._parts_changed:
            hosts, images = log.hosts.values(), log.images.values()
            parts = flight_parts(self._number, hosts, images, log.problems)
            self._parts = _write(connection, self._parts, parts)
        for name in sorted(self._dirty):
            self._jobs[name] = _write(connection, self._jobs.get(name, {}), self._job(log, name))
        touch_flight(connection, self._number, now, log)

    def _job(self, log: FlightLog, name: str) -> Rows:
        assert self._number is not None
        job = log.jobs[name]
        frame = Frame(
            number=self._number,
            flight_id=log.header.flight_id,
            began=log.header.started,
            about=self._about,
            hosts=tuple(log.hosts.values()),
            images=tuple(log.images.values()),
        )
        return job_rows(
            frame,
            self._numbers[name],
            job.result(),
            over=job.ended is not None,
            defined=job.planned.runvars,
        )


def _by_job(log: FlightLog, rows: Rows) -> tuple[dict[str, Written], Written]:
    """*rows* by the job they belong to, and those that belong to none."""
    names = list(log.jobs)
    jobs: dict[str, Written] = {}
    rest: Written = {}
    for table, found in rows.items():
        for key, row in by_key(table, found).items():
            job_no = row.get("job_no")
            place = rest if job_no is None else jobs.setdefault(names[job_no], {})
            place.setdefault(table, {})[key] = row
    for table in OF_NO_PART:
        rest.pop(table, None)
    return jobs, rest


def _write(connection: Connection, old: Written, new: Rows) -> Written:
    fresh, gone = changes(old, new)
    upsert_rows(connection, fresh)
    for table, keys in gone.items():
        delete_rows(connection, table, keys)
    return {table: by_key(table, rows) for table, rows in new.items()}
