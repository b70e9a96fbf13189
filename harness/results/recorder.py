"""The flight recorder: writes down what happens while it happens.

Lives in the controller process only. A line of ``events.jsonl`` is on its way to the disk
before the call returns, and no file stays open, so a controller that is killed at any point
leaves a true record.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import LabError
from harness.outfile import whole
from harness.results.events import (
    Event,
    FlightChecked,
    FlightEnded,
    FlightHeader,
    FlightStarted,
    HostKnown,
    ImageReady,
    JobEnded,
    JobRetried,
    Problem,
    StepFinished,
    StepStarted,
)
from harness.results.layout import FlightDirectory
from harness.results.log import FlightLog
from harness.results.model import (
    EvidenceResult,
    FlightResult,
    HostFacts,
    ImageFacts,
    Record,
    StepResult,
)
from harness.results.sink import EventSink, NoSink
from harness.status import Status

_SHARE = 0.02
"""Of the controller's time that may go into `results.json` while the flight runs."""
_FRESH = 0.25
"""Seconds less: so what takes 5 ms, as in a flight of some ten jobs, is written each time."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class FlightRecorder:
    """Records one flight in *directory*, which is made if need be.

    Raises `LabError` when the directory already holds a flight or cannot be written to.
    May be used from several threads. *sink* hears of each event once it is written.
    """

    def __init__(
        self,
        directory: Path,
        header: FlightHeader,
        *,
        now: Callable[[], datetime] = _utc_now,
        sink: EventSink | None = None,
    ) -> None:
        self.files = FlightDirectory(directory)
        self._now = now
        self._sink = sink or NoSink()
        self._lock = threading.RLock()
        self._quiet_until = 0.0
        self._log = FlightLog(header)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self.files.events.touch(exist_ok=False)
            point_latest(self.files)
        except FileExistsError as error:
            msg = f"{error.filename or directory} is there already; nothing was overwritten"
            raise LabError(msg, hint="every flight needs an id of its own") from error
        except OSError as error:
            raise _unwritable(directory, error) from error
        self._add(FlightStarted(at=now(), header=header))
        self._write_results()

    @property
    def result(self) -> FlightResult:
        """The flight as it would be judged if nothing more came."""
        with self._lock:
            return self._log.result()

    def host_known(self, host: HostFacts) -> None:
        """A host was found out about; a later call replaces an earlier one of the same name."""
        self._add(HostKnown(at=self._now(), host=host))

    def image_ready(self, image: ImageFacts, packages: Mapping[str, str] | None = None) -> None:
        """An image was built or found. *packages*: the versions of what is installed in it, which
        go to a file beside the results."""
        if packages:
            self._write_packages(image.key, packages)
        self._add(ImageReady(at=self._now(), image=image))

    def step_started(self, job: str, testid: str) -> None:
        """A step begins."""
        self._add(StepStarted(at=self._now(), job=job, testid=testid))

    def step_finished(self, job: str, step: StepResult) -> None:
        """A step ended. Of two results for one step the worse is kept."""
        self._add(StepFinished(at=self._now(), job=job, step=step))
        self._write_results()

    def job_ended(
        self,
        job: str,
        *,
        host: str | None = None,
        kept: bool = False,
        waits: Mapping[str, float] | None = None,
        runvars: Mapping[str, str] | None = None,
        evidence: EvidenceResult | None = None,
    ) -> None:
        """The job is over, its teardown included. *waits*: seconds for each word."""
        self._add(
            JobEnded(
                at=self._now(),
                job=job,
                host=host,
                kept=kept,
                waits=dict(waits or {}),
                runvars=dict(runvars or {}),
                evidence=evidence,
            )
        )

    def job_retried(self, job: str) -> None:
        """It ended, and begins anew; its files of before are in its `JobDirectory.attempt`."""
        self._add(JobRetried(at=self._now(), job=job))
        self._write_results()

    def job_skipped(self, job: str, steps: Iterable[StepResult]) -> None:
        """A job that cannot run, or shall not; *steps* say why. `results.json` follows with the
        next step."""
        for step in steps:
            self._add(StepFinished(at=self._now(), job=job, step=step))
        self.job_ended(job)

    def problem(self, text: str) -> None:
        """Something of ours is wrong and belongs to no step: a leftover, a lost host."""
        self._add(Problem(at=self._now(), text=text))

    def flight_checked(self, leak_check: StepResult) -> None:
        """What is on the host after the flight; of two calls the later counts."""
        self._add(FlightChecked(at=self._now(), leak_check=leak_check))

    def finish(self, status: Status | None = None) -> FlightResult:
        """The flight is over; a second call changes nothing.

        *status* can only make the flight's own worse: give `aborted` when the operator ended it.
        """
        if self._log.ended is None:
            self._add(FlightEnded(at=self._now(), status=status))
            self._write_results(last=True)
        return self.result

    def _add(self, event: Event) -> None:
        with self._lock:
            self._log.add(event)
            try:
                with self.files.events.open("a", encoding="ascii") as events:
                    events.write(to_json(event) + "\n")
            except OSError as error:
                raise _unwritable(self.files.events, error) from error
            self._sink.took(event)

    def _write_packages(self, key: str, packages: Mapping[str, str]) -> None:
        file = self.files.packages(key)
        try:
            file.parent.mkdir(exist_ok=True)
            write_atomically(file, json.dumps(dict(packages), indent=0, sort_keys=True) + "\n")
        except OSError as error:
            raise _unwritable(file, error) from error

    def _write_results(self, *, last: bool = False) -> None:
        """Of a flight of very many jobs not each time: it would do little else."""
        with self._lock:
            # The machine's own time: a simulated clock stands still while this is done.
            if time.monotonic() < self._quiet_until and not last:
                return
            began = time.thread_time()
            try:
                write_atomically(self.files.results, to_json(self.result, indent=2) + "\n")
            except OSError as error:
                raise _unwritable(self.files.results, error) from error
            cost = time.thread_time() - began
            self._quiet_until = time.monotonic() + cost / _SHARE - _FRESH


def to_json(record: Record, *, indent: int | None = None) -> str:
    """JSON in pure ASCII: guest output in it cannot reach the terminal of who looks at the file."""
    if indent:
        # With an indent Python's own encoder is written in Python: six times as long.
        return record.model_dump_json(indent=indent, ensure_ascii=True)
    return json.dumps(record.model_dump(mode="json"))


def write_atomically(path: Path, text: str) -> None:
    """Write *path* so that a reader sees the old text or the new one, never a part.

    `OSError` names *path*, which is then as it was; see `harness.outfile.whole`.
    """
    with whole(path) as fresh:
        fresh.write_text(text, encoding="utf-8")


def point_latest(files: FlightDirectory) -> None:
    """Make ``latest`` lead to this flight, whatever it led to before."""
    fresh = files.path.with_name(f".latest.{files.path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(files.path.name)
    try:
        fresh.replace(files.latest)
    except OSError:
        fresh.unlink()
        raise


def _unwritable(path: Path, error: OSError) -> LabError:
    # A file that cannot be replaced is the second name of a renaming.
    what = f"{error.filename2}: " if error.filename2 else ""
    return LabError(f"cannot record the flight in {path}: {what}{error.strerror or error}")
