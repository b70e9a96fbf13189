"""One attempt of a job on this controller: its process started, followed, and told of."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import harness
from harness.errors import UsageError, XenflightError
from harness.flight.inventory import Inventory
from harness.flight.plan import Plan, to_json
from harness.lab.child import OUTPUT, STOP
from harness.lab.flow import now
from harness.lab.join import cut_short, unrun_job, waiting_job
from harness.lab.lab import Lab
from harness.lab.payload import unpack_plan
from harness.lab.run import Begun, WorkerId, begin, end, follow, started, store_files
from harness.lab.told import Told, job_files, last_lines, read_told
from harness.lab.words import Outcome
from harness.remote.command import Command, Stream
from harness.remote.local import LocalRunner
from harness.results.layout import FlightDirectory
from harness.status import Status
from harness.store.faults import StoreError
from harness.store.url import VARIABLE
from harness.wait import SYSTEM_CLOCK, Deadline

REPORTS = Path("reports") / "lab"
"""Where workers have the results of runs: apart from those of flights."""
LOOK = timedelta(seconds=2)
"""What a run tells is looked at so often."""
AWAY = timedelta(seconds=2)
"""How long a database that is away is left alone."""
GIVING_UP = timedelta(seconds=60)
"""A worker that is to stop waits so long for a database that is away."""
_CHUNK = 1 << 16
T = TypeVar("T")


class Attempt:
    """What procrastinate gave us as *number*. Once; `run` in a thread, the rest from anywhere."""

    def __init__(
        self,
        lab: Lab,
        worker: WorkerId,
        inventory: Inventory,
        say: Callable[[str], None],
        *,
        flight_id: str,
        job_no: int,
        number: int,
    ) -> None:
        self._lab = lab
        self._worker = worker
        self._inventory = inventory
        self._say = say
        self._flight_id = flight_id
        self._job_no = job_no
        self._number = number
        self._lock = threading.Lock()
        self._stream: Stream | None = None
        self._stops = 0
        self._given_back = False
        self._cancelled = False
        self._until: Deadline | None = None
        """When nobody waits for the database any longer; None: for ever."""

    def run(self) -> None:
        """All of it; `StoreError` only when the database is not there and we are to stop."""
        begun = self._patiently(
            lambda: begin(self._lab, self._flight_id, self._job_no, self._number, self._worker)
        )
        if begun is None:
            return
        self._say(f"{begun.job} of {begun.flight_id} begins")
        try:
            plan = unpack_plan(begun.plan, begun.spec, begun.hosts, self._inventory)
        except UsageError as error:
            self._end(begun, _refused(begun, str(error)))
            return
        files = FlightDirectory.of(REPORTS, plan.flight_id)
        self._patiently(lambda: started(self._lab, begun, plan.flight_id, files.path.resolve()))
        try:
            mine = self._fly(begun, plan, files)
            told = self._judged(begun, files)
        except (OSError, XenflightError) as error:
            mine, told = True, _refused(begun, str(error))
        if not mine:
            self._say(f"{begun.job} of {begun.flight_id} was taken over by another worker")
            return
        found = job_files(files, begun.job)
        self._patiently(lambda: store_files(self._lab, begun, found))
        self._end(begun, told)

    def cancel(self) -> None:
        """Somebody cancelled the job: end it in good order. Once, however often it is called."""
        with self._lock:
            before, self._cancelled = self._cancelled, True
        if not before:
            self.stop()

    def stop(self, *, give_back: bool = False) -> None:
        """End it in good order; called again, without its clean-up. *give_back*: it waits again."""
        with self._lock:
            self._stops += 1
            self._given_back = self._given_back or give_back
            self._until = self._until or (Deadline.after(GIVING_UP) if give_back else None)
            stream = self._stream
        if stream:
            _tell(stream)

    # -- in the thread -----------------------------------------------------------------

    def _fly(self, begun: Begun, plan: Plan, files: FlightDirectory) -> bool:
        """Have it run to its end; False when it is another's by now."""
        files.path.mkdir(parents=True, exist_ok=True)
        queued = files.path / "queued.json"
        queued.write_text(to_json(plan), encoding="utf-8")
        paths = [str(Path(harness.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        command = Command(
            (sys.executable, "-m", "harness.lab.child", str(queued), str(REPORTS)),
            # Its results go through us; the password of the database is none of its business.
            env={VARIABLE: "none", "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        stream = LocalRunner().open(command)
        with self._lock:
            self._stream = stream
            stops = self._stops
        try:
            for _ in range(stops):
                _tell(stream)
            return self._follow(begun, stream, files)
        finally:
            with self._lock:
                self._stream = None
            stream.close()

    def _follow(self, begun: Begun, stream: Stream, files: FlightDirectory) -> bool:
        mine = True
        seen: Told | None = None
        due = Deadline.after(LOOK)
        # What it says before it knows of its own log, such as why Python would not start.
        with (files.path / OUTPUT).open("ab") as log:
            while (data := stream.read(_CHUNK, timedelta(seconds=1))) != b"":
                log.write(data or b"")
                log.flush()
                if not mine or not due.expired:
                    continue
                due = Deadline.after(LOOK)
                told = read_told(files, begun.job)
                if told and told != seen and (answer := self._tell_of(begun, told)) is not None:
                    seen, mine = told, answer
                    if not mine:
                        _tell(stream)
        return mine

    def _judged(self, begun: Begun, files: FlightDirectory) -> Told:
        told = read_told(files, begun.job)
        if told is None:
            return _stopped(begun) if self._stops else _refused(begun, _silent(files))
        if told.over or self._stops:
            return told
        return replace(told, job=cut_short(told.job, Status.BROKEN, _silent(files)))

    def _tell_of(self, begun: Begun, told: Told) -> bool | None:
        """Whether the attempt is ours; None when the database is away: it is told of later."""
        try:
            return follow(self._lab, begun, told)
        except StoreError:
            return None

    def _end(self, begun: Begun, told: Told) -> None:
        outcome = self._patiently(
            lambda: end(self._lab, begun, told, self._worker, given_back=self._given_back)
        )
        said = f"{told.job.status}" if outcome in (None, Outcome.DONE) else f"{outcome}"
        reason = f": {told.job.reason}" if told.job.reason else ""
        self._say(f"{begun.job} of {begun.flight_id}: {said}{reason}")

    def _patiently(self, act: Callable[[], T]) -> T:
        """Do it, as soon as the database is there."""
        told = False
        while True:
            try:
                return act()
            except StoreError as error:
                if not error.passing or (self._until and self._until.expired):
                    raise
                if not told:
                    self._say(f"waiting for the database: {error}")
                told = True
            SYSTEM_CLOCK.sleep(AWAY.total_seconds())


def _tell(stream: Stream) -> None:
    with suppress(XenflightError):  # it may have ended by itself
        stream.write(STOP)


def _silent(files: FlightDirectory) -> str:
    said = last_lines(files.path / OUTPUT)
    return f"its run ended before its time{': ' + said if said else ''}"


def _refused(begun: Begun, why: str) -> Told:
    """What to tell of an attempt of which nothing else is known."""
    return Told(job=unrun_job(begun.planned, Status.BROKEN, why, now()), over=True)


def _stopped(begun: Begun) -> Told:
    """What to tell of one that was stopped before it had anything to tell."""
    why = "it was stopped before it began"
    return Told(job=cut_short(waiting_job(begun.planned), Status.ABORTED, why), over=True)
