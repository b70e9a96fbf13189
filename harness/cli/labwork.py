"""What the verbs of the lab do. Imported by them when they run."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from harness.cli.output import errors, output
from harness.errors import UsageError
from harness.flight.build import build_plan, refuse_many
from harness.flight.inventory import Inventory
from harness.lab.fetch import fetch
from harness.lab.lab import Lab
from harness.lab.look import queued_jobs
from harness.lab.submit import Terms, submit
from harness.lab.tend import starve
from harness.lab.worker import Terms as WorkerTerms
from harness.plugin.collect import collect_header
from harness.report.summary import summary_text
from harness.results.belonging import ADHOC, blessing_word, branch_name
from harness.status import EXIT_CODES
from harness.store.faults import StoreError
from harness.units import parse_duration
from harness.wait import SYSTEM_CLOCK

_LOOK = timedelta(seconds=2)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The command line of ``submit``."""

    flight: str
    only: tuple[str, ...]
    hosts: tuple[str, ...]
    priority: int
    branch: str | None
    blessing: str | None
    patience: str
    longest: str
    retry: bool
    huge: bool


def owner() -> str:
    """Who sits here."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def duration(option: str, text: str) -> timedelta:
    """The value of an option that is a time; `UsageError` when it is none."""
    try:
        found = parse_duration(text)
    except (ValueError, OverflowError) as error:
        msg = f"{option}: {error}"
        raise UsageError(msg) from error
    if not found:
        msg = f"{option}: that is no time at all"
        raise UsageError(msg)
    return found


def submit_flight(lab: Lab, wanted: Wanted) -> tuple[str, int]:
    """Plan and queue it; its id, and how many jobs wait. `UsageError` for all that is wrong."""
    patience = duration("--patience", wanted.patience)
    longest = duration("--longest", wanted.longest)
    plan = build_plan(wanted.flight, only=wanted.only, hosts=wanted.hosts, huge=wanted.huge)
    plan = replace(plan, retry=wanted.retry)
    if not wanted.huge:
        refuse_many(plan)
    terms = Terms(
        owner=owner(),
        branch=branch_name(wanted.branch or plan.flight),
        blessing=blessing_word(wanted.blessing or ADHOC),
        priority=wanted.priority,
        patience=patience,
        longest=longest,
    )
    return plan.flight_id, submit(lab, plan, collect_header(plan), terms)


def worker_terms(
    inventory: Inventory,
    hosts: Sequence[str],
    concurrency: int,
    *,
    once: bool,
    until_empty: bool,
    text: str,
) -> WorkerTerms:
    """How a worker is to work; `UsageError` for a host that is not known here."""
    names = [name.strip() for entry in hosts for name in entry.split(",")]
    found = [inventory.get(name).name for name in names] or list(inventory.hosts)
    stalled_after = duration("--stalled-after", text)
    if stalled_after < timedelta(seconds=2):
        msg = "--stalled-after: less than 2s is told of workers that are well, too"
        raise UsageError(msg)
    return WorkerTerms(
        hosts=tuple(dict.fromkeys(found)),
        concurrency=1 if once else concurrency,
        once=once,
        until_empty=until_empty,
        stalled_after=stalled_after,
    )


def fetch_flight(lab: Lab, word: str, reports: Path) -> int:
    """Write its directory and say how it went; the exit code that a run of it would have."""
    result, path = fetch(lab, word, reports)
    console = output()
    console.print(summary_text(result, path, width=console.width), markup=False, soft_wrap=True)
    return EXIT_CODES[result.status]


def wait_for_flight(lab: Lab, flight_id: str) -> int:
    """Until it is over, telling what happens; then as `fetch_flight`.

    A wait that is bounded by the flight's own terms. Ctrl-C ends it, and not the flight.
    """
    console = errors()
    seen: dict[str, str] = {}
    while True:
        try:
            starve(lab)
            with lab.reading() as connection:
                jobs = queued_jobs(connection, flight_id, WorkerTerms(hosts=()).stalled_after)
        except StoreError as error:
            if not error.passing:
                raise
            jobs = []
        for job in jobs:
            words = f"{job.shown}{' ' + job.status if job.status else ''}"
            if seen.setdefault(job.job, "waiting") != words:
                seen[job.job] = words
                by = f" ({job.worker})" if job.worker else ""
                console.print(f"{job.job} {words}{by}", markup=False, soft_wrap=True)
        if jobs and all(job.status for job in jobs):
            return fetch_flight(lab, flight_id, Path("reports"))
        SYSTEM_CLOCK.sleep(_LOOK.total_seconds())
