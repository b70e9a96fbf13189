"""How fast a store is, with five thousand flights and a million steps in it."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from harness.bench.judge import (
    BRANCH,
    FLIGHTS,
    GOAL,
    judge_seconds,
    make_flight,
    make_history,
)
from harness.bench.machine import brief
from harness.bench.model import Better, Finding
from harness.judge.history import FlightRecord, JobRecord
from harness.progress import Progress
from harness.results.model import FlightResult, HostFacts, JobResult, StepResult
from harness.site.site import Site
from harness.site.stored import StoreArchive
from harness.site.write import write_site
from harness.status import Status
from harness.store.about import About
from harness.store.history import StoreHistory
from harness.store.look import job_lines, list_flights
from harness.store.put import Given, put_result
from harness.store.remarks import record_gate
from harness.store.store import Store
from harness.store.url import find_store

AT_ONCE = 25
"""Flights in one transaction: five thousand steps, as an import writes them."""
IMPORT_GOAL = 300.0
"""Seconds: ten thousand flights in minutes, and these are half as many."""
WORST_GOAL = 5.0
PAGE_GOAL = 0.3
REPORT_GOAL = 5.0


def measure_store(progress: Progress) -> list[Finding]:
    """Seconds to take in a history, to judge by it, and to look up a job's."""
    with tempfile.TemporaryDirectory(prefix="xenflight-bench-") as folder:
        url = find_store(f"{folder}/history.db")
        assert url is not None
        with Store(url) as store:
            progress(f"writing {FLIGHTS} flights into a store")
            began = time.process_time()
            steps = fill(store, make_history(0, FLIGHTS))
            writing = time.process_time() - began
            size = sum(path.stat().st_size for path in Path(folder).iterdir()) >> 20
            progress("judging by it, looking up a job, and writing a flight's pages")
            return [
                _seconds(
                    f"taking in {FLIGHTS} flights",
                    writing,
                    IMPORT_GOAL,
                    f"{steps} steps; {size} MiB; {brief()}",
                ),
                *_asked(store),
                _reported(store, Path(folder) / "site"),
            ]


def _reported(store: Store, out: Path) -> Finding:
    began = time.process_time()
    archive = StoreArchive(store)
    newest = archive.heads()[0].flight
    written = write_site(Site(archive, [newest], made=datetime.now(UTC)), out)
    seconds = time.process_time() - began
    details = f"of {len(archive.heads())} flights; {written.files} files"
    return _seconds("report of a flight, by the store", seconds, REPORT_GOAL, details)


def _asked(store: Store) -> Iterator[Finding]:
    flight = make_flight(random.Random(1), share=0.2)
    yield _judged(store, flight, GOAL, "the usual")
    worst = make_flight(random.Random(1), share=1.0)
    yield _judged(store, worst, WORST_GOAL, "every job fails in its second step")
    with store.reading() as connection:
        began = time.process_time()
        lines = job_lines(connection, flight.jobs[0].job, limit=1000)
        seconds = time.process_time() - began
        yield _seconds("history of a job", seconds, PAGE_GOAL, f"its last {len(lines)} runs")
        began = time.process_time()
        listed = list_flights(connection, now=flight.started, limit=100)
        seconds = time.process_time() - began
        yield _seconds("list of flights", seconds, PAGE_GOAL, f"{len(listed)}, the jobs counted")


def _judged(store: Store, flight: FlightRecord, goal: float, what: str) -> Finding:
    with store.reading() as connection:
        seconds, failed = judge_seconds(flight, StoreHistory(connection))
    name = f"judging by the store, {failed} of {len(flight.jobs)} jobs failed"
    return _seconds(name, seconds, goal, what)


def fill(store: Store, flights: Iterable[FlightRecord]) -> int:
    """Write *flights* into a store; how many steps they had."""
    steps, rest = 0, iter(flights)
    while batch := list(islice(rest, AT_ONCE)):
        with store.writing(make=True) as connection:
            for record in batch:
                result, about = result_of(record)
                put_result(connection, result, about, Given(), now=record.started)
                if record.gate_open is not None:
                    opened, at = record.gate_open, record.started
                    record_gate(connection, record.flight, opened=opened, at=at)
                steps += sum(len(job.steps) for job in result.jobs)
    return steps


def result_of(record: FlightRecord) -> tuple[FlightResult, About]:
    """What a store takes in so that its history says what *record* does.

    All jobs of a flight must have the same revisions; they are given beside its results.
    """
    revisions = dict(record.jobs[0].revisions) if record.jobs else {}
    result = FlightResult(
        flight_id=record.flight,
        flight=BRANCH,
        status=Status.PASS,
        started=record.started,
        ended=record.started if record.ended else None,
        duration=0.0,
        harness_version="",
        revision=None,
        hosts=tuple(HostFacts(name=name, kind="ssh") for name in _hosts(record.jobs)),
        jobs=tuple(map(_job, record.jobs)),
        command="",
        problems=record.problems,
    )
    return result, About(branch=record.branch, blessing=record.blessing, revisions=revisions)


def _hosts(jobs: Sequence[JobRecord]) -> list[str]:
    return sorted({job.host for job in jobs if job.host})


def _job(record: JobRecord) -> JobResult:
    steps = (
        StepResult(
            testid=step.testid,
            status=step.status,
            duration=step.duration,
            reason=step.fingerprint,
        )
        for step in record.steps
    )
    return JobResult(
        name=record.job,
        suite="",
        dist="",
        arch="",
        virt="",
        boot="",
        status=record.status,
        steps=tuple(steps),
        host=record.host,
        started=record.started,
    )


def _seconds(name: str, seconds: float, goal: float, details: str) -> Finding:
    return Finding(
        name=name, value=seconds, unit="s", goal=goal, better=Better.LOWER, details=details
    )
