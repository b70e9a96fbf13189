"""One controller's flight on very many hosts: how long it takes, and what it costs.

The hosts are simulated and share a clock that is only counted (`harness.bench.fleet`); all that a
controller and its workers do is done. So the processor time found here has that of the simulated
hosts in it, and nothing of SSH's encryption and of pytest.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.bench.fleet import OUTAGE, Fleet, Flown, Size
from harness.bench.flying import now
from harness.bench.machine import brief
from harness.bench.model import Better, Finding
from harness.bench.saving import Saver
from harness.errors import UsageError
from harness.progress import Progress
from harness.schedule.forecast import lower_bound
from harness.site.directories import DirectoryArchive
from harness.site.site import Site
from harness.site.write import write_site
from harness.store.about import About, this_controller
from harness.store.store import Store
from harness.store.url import find_store
from harness.units import human_seconds

MAKESPAN_GOAL = 1.10
CPU_GOAL = 0.1
"""Seconds a job."""
MEMORY_GOAL = 100.0
"""KiB a job."""
STORE_GOAL = 64.0
CORE_GOAL = 1.0
_KIB = 1024
BRANCH = "scale"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a flight cost its controller. Seconds of a processor, and bytes."""

    prepare_and_fly: float
    saving: float
    """Of that, what the store took."""
    report: float
    pages: int
    memory: int
    """The most that the process had, beyond what it had before."""
    store: int


def measure_scale(size: Size, progress: Progress) -> list[Finding]:
    """Fly it, and write its report. `UsageError` for a size that can't be flown."""
    if size.losses > size.hosts:
        msg = f"--losses {size.losses}: there are only {size.hosts} hosts"
        raise UsageError(msg)
    with tempfile.TemporaryDirectory(prefix="xenflight-scale-") as folder:
        return _findings(size, *_measure(size, Path(folder), progress))


def _measure(size: Size, folder: Path, progress: Progress) -> tuple[Flown, Cost]:
    before, began = _memory(), time.process_time()
    about = About(
        branch=BRANCH, blessing="adhoc", controller=this_controller(), directory=str(folder)
    )
    url = find_store(str(folder / "history.db"))
    assert url is not None
    with Store(url) as store:
        saver = Saver(store, about, now)
        fleet = Fleet(size, folder, saver, progress)
        flown = fleet.fly()
    flying = time.process_time() - began
    memory = _memory() - before
    progress("writing its pages")
    began = time.process_time()
    archive = DirectoryArchive([fleet.files.path])
    written = write_site(
        Site(archive, [flown.result.flight_id], made=datetime.now(UTC)), folder / "site"
    )
    return flown, Cost(
        prepare_and_fly=flying,
        saving=saver.cpu,
        report=time.process_time() - began,
        pages=written.files,
        memory=memory,
        store=sum(path.stat().st_size for path in folder.glob("history.db*")),
    )


def _findings(size: Size, flown: Flown, cost: Cost) -> list[Finding]:
    jobs = size.jobs
    bound = lower_bound(flown.took.values(), size.hosts)
    each = cost.prepare_and_fly / jobs
    core = cost.prepare_and_fly / flown.makespan
    told = Counter(str(job.status) for job in flown.result.jobs)
    words = ", ".join(f"{count:,} {word}" for word, count in sorted(told.items()))
    first = human_seconds(flown.first_failure) if flown.first_failure is not None else "none"
    lost = f"{size.losses} hosts lost for {human_seconds(OUTAGE.total_seconds())}"
    where = f"{jobs:,} jobs on {size.hosts:,} hosts"
    return [
        _finding(
            f"makespan of {where}",
            flown.makespan / bound,
            "x lower bound",
            MAKESPAN_GOAL,
            f"{human_seconds(flown.makespan)}; {lost}, {flown.lost} attempts broken by that;"
            f" {words}; first failure after {first}",
        ),
        _finding(
            "processor time of a job",
            each,
            "s",
            CPU_GOAL,
            f"with the simulated hosts' own; {cost.saving / jobs:.3f} s of it the store; {brief()}",
        ),
        _finding(
            "processors that it keeps busy",
            core,
            "cores",
            CORE_GOAL,
            f"one is enough for {size.hosts / core:,.0f} hosts with a job each, of this mean length"
            if core
            else "",
        ),
        _finding(
            "memory of a job", cost.memory / _KIB / jobs, "KiB", MEMORY_GOAL, "most of the process"
        ),
        _finding("store, of a job", cost.store / _KIB / jobs, "KiB", STORE_GOAL, "SQLite"),
        _finding("report of that flight", cost.report, "s", 0.05 * jobs, f"{cost.pages:,} files"),
    ]


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB


def _finding(name: str, value: float, unit: str, goal: float, details: str) -> Finding:
    return Finding(
        name=name, value=value, unit=unit, goal=goal, better=Better.LOWER, details=details
    )
