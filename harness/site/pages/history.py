"""One job over the flights of a branch, step by step and phase by phase."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from markupsafe import Markup

from harness.judge.history import VERDICTS
from harness.judge.rates import Rate
from harness.results.runs import Run
from harness.site import paths
from harness.site.archive import Head
from harness.site.charts.cells import row, ruler
from harness.site.charts.dots import look, trend_chart
from harness.site.pages.kit import Kit, Output
from harness.site.since import status_in
from harness.site.trend import NO_HOST, Trend, phase_trends
from harness.status import Status


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """One step over the flights; of the whole job without a *testid*."""

    testid: str
    cells: Markup
    rate: Rate


@dataclass(frozen=True, kw_only=True)
class HostRow:
    """How the job went on one host."""

    host: str
    path: str
    look: str
    rate: Rate
    seconds: float | None
    """Median of the runs that passed."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A trend, drawn."""

    trend: Trend
    chart: Markup

    @property
    def longest(self) -> float:
        """Seconds, at the upper edge."""
        return max(point.seconds for point in self.trend.points)


def history_page(kit: Kit, branch: str, job: str) -> Output:
    """The page of one job on one branch."""
    path = paths.history(branch, job)
    columns = kit.columns(branch)
    known = {head.flight for head in columns}
    runs = [run for run in kit.archive.runs(branch, job) if run.flight in known]
    columns = _from_first(columns, runs)
    by_flight = kit.runs(branch, job)
    hosts = list(dict.fromkeys(run.host or NO_HOST for run in reversed(runs)))
    flights = [head.flight for head in columns]
    links = {
        flight: paths.relative(target, path)
        for flight in flights
        if (target := kit.job_path(flight, job))
    }
    return kit.page(
        "history.html",
        path,
        branch=branch,
        job=job,
        runs=runs,
        columns=columns,
        ruler=ruler([f"{head.started:%Y-%m-%d}" for head in columns]),
        rows=[_row(kit, path, columns, by_flight, testid) for testid in ("", *_testids(runs))],
        hosts=[_host_row(host, runs, hosts) for host in hosts],
        pictures=[
            Picture(trend=one, chart=trend_chart(one, flights, hosts, links))
            for one in phase_trends(runs)
        ],
        last=runs[0] if runs else None,
        last_path=kit.job_path(runs[0].flight, job) if runs else "",
    )


def _from_first(columns: list[Head], runs: list[Run]) -> list[Head]:
    """*columns* from the first flight on that had the job."""
    had = {run.flight for run in runs}
    first = next((at for at, head in enumerate(columns) if head.flight in had), 0)
    return columns[first:]


def _testids(runs: list[Run]) -> list[str]:
    return list(dict.fromkeys(step.testid for run in runs for step in run.steps))


def _row(kit: Kit, page: str, columns: list[Head], runs: dict[str, Run], testid: str) -> StepRow:
    statuses: list[Status] = []
    cells = []
    for head in columns:
        run = runs.get(head.flight)
        status = status_in(run, testid or None) if run else None
        cells.append(kit.cell(page, run, status))
        if status in VERDICTS and status:
            statuses.append(status)
    rate = Rate(passes=statuses.count(Status.PASS), runs=len(statuses))
    return StepRow(testid=testid, cells=row(cells, all_linked=not testid), rate=rate)


def _host_row(host: str, runs: list[Run], hosts: list[str]) -> HostRow:
    mine = [run for run in runs if (run.host or NO_HOST) == host]
    verdicts = [run.status for run in mine if run.status in VERDICTS]
    passed = [run.duration for run in mine if run.status is Status.PASS]
    known = any(run.host == host for run in mine)
    return HostRow(
        host=host,
        path=paths.host(host) if known else "",
        look=look(host, hosts),
        rate=Rate(passes=verdicts.count(Status.PASS), runs=len(verdicts)),
        seconds=median(passed) if passed else None,
    )
