"""A host: what it is, how jobs went there, and how fast it is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from harness.errors import UsageError
from harness.judge.history import VERDICTS
from harness.judge.rates import Rate
from harness.results.model import HostFacts
from harness.results.runs import Run
from harness.site import paths
from harness.site.archive import Head
from harness.site.charts.cells import Cell, row, ruler
from harness.site.pages.kit import COLUMNS, Kit, Output
from harness.status import Status, worst

_JOBS = 200
_RECENT = 30


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """One job there."""

    branch: str
    job: str
    path: str
    rate: Rate
    seconds: float | None
    """Median of the runs there that passed."""
    elsewhere: float | None
    """The same on all other hosts."""

    @property
    def pace(self) -> float | None:
        """How many times as long it takes here."""
        return self.seconds / self.elsewhere if self.seconds and self.elsewhere else None


def host_page(kit: Kit, host: str) -> Output:
    """The page of one host."""
    path = paths.host(host)
    runs = kit.archive.runs_on(host)
    by_flight: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_flight[run.flight].append(run)
    heads = [head for flight in by_flight if (head := kit.head(flight))][:COLUMNS]
    columns = sorted(heads, key=lambda head: (head.started, head.flight))
    rows = _job_rows(kit, host, runs)
    paces = [one.pace for one in rows if one.pace is not None]
    return kit.page(
        "host.html",
        path,
        host=host,
        facts=_facts(kit, heads, host),
        columns=columns,
        ruler=ruler([f"{head.started:%Y-%m-%d}" for head in columns]),
        strip=row(
            [_cell(kit, path, head, by_flight[head.flight]) for head in columns], all_linked=True
        ),
        rows=rows,
        pace=median(paces) if paces else None,
        counts=Counter(run.status for run in runs),
        recent=_recent(kit, runs),
        total=len(runs),
    )


def _recent(kit: Kit, runs: Sequence[Run]) -> list[Run]:
    """The last failures, with their steps, which what is told of a host may lack."""
    bad = [run for run in runs if run.status in (Status.FAIL, Status.BROKEN)][:_RECENT]
    heads = [kit.head(run.flight) for run in bad]
    return [
        kit.runs(head.branch, run.job).get(run.flight, run) if head else run
        for run, head in zip(bad, heads, strict=True)
    ]


def _facts(kit: Kit, heads: Sequence[Head], host: str) -> HostFacts | None:
    """What was found there last."""
    for head in heads[:3]:
        try:
            hosts = kit.archive.result(head.flight).hosts
        except UsageError:
            continue
        found = next((one for one in hosts if one.name == host), None)
        if found:
            return found
    return None


def _cell(kit: Kit, page: str, head: Head, runs: Sequence[Run]) -> Cell:
    status = worst(run.status for run in runs)
    target = kit.flight_path(head.flight)
    title = f"{head.started:%Y-%m-%d %H:%M} {head.flight}: worst of {len(runs)} jobs {status}"
    return Cell(status, title, paths.relative(target, page) if target else "")


def _job_rows(kit: Kit, host: str, runs: Sequence[Run]) -> list[JobRow]:
    found: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        head = kit.head(run.flight)
        if head and head.branch in kit.branches:
            found[head.branch, run.job].append(run)
    rows = [_job_row(kit, host, branch, job, mine) for (branch, job), mine in found.items()]
    rows.sort(key=lambda one: one.rate.low)
    return rows[:_JOBS]


def _job_row(kit: Kit, host: str, branch: str, job: str, mine: Sequence[Run]) -> JobRow:
    others = [run for run in kit.archive.runs(branch, job) if run.host != host]
    verdicts = [run.status for run in mine if run.status in VERDICTS]
    return JobRow(
        branch=branch,
        job=job,
        path=paths.history(branch, job),
        rate=Rate(passes=verdicts.count(Status.PASS), runs=len(verdicts)),
        seconds=_median(mine),
        elsewhere=_median(others),
    )


def _median(runs: Sequence[Run]) -> float | None:
    times = [run.duration for run in runs if run.status is Status.PASS and run.duration > 0]
    return median(times) if times else None
