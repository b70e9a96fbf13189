"""A flight: what failed, since when, what is otherwise than before, and all of its jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.errors import UsageError
from harness.report.modetable import PHASES, Column, ModesTable, modes_table
from harness.report.summary import why_skipped
from harness.results.model import AttemptResult, FlightResult, JobResult, StepResult
from harness.results.progress import progress_of
from harness.results.rules import HARMLESS
from harness.site import paths
from harness.site.archive import Head
from harness.site.changes import Change, flight_changes, last_good
from harness.site.charts.bars import Bar, axis, chart, side_by_side
from harness.site.console.marks import mark_id
from harness.site.failures import Group, groups_of
from harness.site.files import files_of
from harness.site.packages import package_changes
from harness.site.pages.kit import Kit, Output
from harness.site.since import Since, since
from harness.status import WORST_FIRST, Status
from harness.units import human_seconds


@dataclass(frozen=True, kw_only=True)
class GridRow:
    """One job in the grid; *steps* in the order of the grid's columns."""

    job: JobResult
    path: str
    steps: tuple[StepResult | None, ...]
    since: Since | None


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The jobs of one suite."""

    suite: str
    testids: tuple[str, ...]
    rows: tuple[GridRow, ...]
    totals: tuple[str, ...]
    """For each column what became of its steps, as osstest's summary row."""


@dataclass(frozen=True, kw_only=True)
class HostLanes:
    """What ran on a host, and when."""

    host: str
    path: str
    picture: Markup


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What is otherwise than in the last good flight."""

    then: Head
    found: list[Change]
    packages: Mapping[str, list[Change]]
    """By kind of image."""


@dataclass(frozen=True, kw_only=True)
class Modes:
    """What the guests saw of their machines, and how they came up."""

    table: ModesTable
    pictures: tuple[tuple[Column, Markup], ...]
    scale: Markup
    colours: tuple[tuple[str, str], ...]
    """For each phase of a boot the class of its bars."""


def flight_page(kit: Kit, head: Head, result: FlightResult) -> Output:
    """The page of one flight."""
    path = paths.flight(head.flight)
    verdict = kit.archive.verdict(head.flight)
    groups = groups_of(result, lambda job: kit.archive.runs(head.branch, job), verdict)
    if head.running:
        # What has not come to its end is no failure yet.
        groups = [group for group in groups if group.step.status is not Status.ABORTED]
    newer, older = _neighbours(kit, head)
    lanes, scale = _lanes(result, path)
    return kit.page(
        "flight.html",
        path,
        head=head,
        result=result,
        verdict=verdict,
        groups=groups,
        consoles=_consoles(kit, head, groups),
        progress=progress_of(result) if head.running else None,
        changes=_changes(kit, head, result),
        grids=_grids(kit, head, result),
        skipped=_skipped(result),
        lanes=lanes,
        scale=scale,
        modes=_modes(result),
        mark_id=mark_id,
        newer=newer,
        older=older,
    )


def _consoles(kit: Kit, head: Head, groups: Sequence[Group]) -> dict[str, str]:
    """Where the console is of the first job of each group, if it has one."""
    directory = kit.archive.directory(head.flight)
    jobs = [group.first.job for group in groups]
    return {
        job.name: paths.JobPaths(head.flight, job.name).console
        for job in jobs
        if files_of(directory, job, with_evidence=False).console
    }


def _neighbours(kit: Kit, head: Head) -> tuple[Head | None, Head | None]:
    """The flights of the branch just after and just before that have pages."""
    columns = [one for one in kit.columns(head.branch) if kit.flight_path(one.flight)]
    at = next((at for at, one in enumerate(columns) if one.flight == head.flight), None)
    if at is None:
        return None, None
    newer = columns[at + 1] if at + 1 < len(columns) else None
    return newer, columns[at - 1] if at else None


def _changes(kit: Kit, head: Head, result: FlightResult) -> Changes | None:
    then = last_good(kit.heads, head.flight)
    if then is None:
        return None
    try:
        before = kit.archive.result(then.flight)
    except UsageError:
        # Its directory went away since it was looked at.
        return None
    folders = [kit.archive.directory(one.flight) for one in (then, head)]
    return Changes(
        then=then,
        found=flight_changes(before, result),
        packages=package_changes(before, result, folders),
    )


def _grids(kit: Kit, head: Head, result: FlightResult) -> list[Grid]:
    suites: dict[str, list[JobResult]] = {}
    for job in result.jobs:
        if why_skipped(job) is None:
            suites.setdefault(job.suite, []).append(job)
    return [_grid(kit, head, suite, jobs) for suite, jobs in suites.items()]


def _grid(kit: Kit, head: Head, suite: str, jobs: Sequence[JobResult]) -> Grid:
    testids = tuple(dict.fromkeys(step.testid for job in jobs for step in job.steps))
    rows = [_grid_row(kit, head, job, testids) for job in jobs]
    rows.sort(key=lambda row: WORST_FIRST.index(row.job.status))
    return Grid(
        suite=suite,
        testids=testids,
        rows=tuple(rows),
        totals=tuple(_total(column) for column in zip(*(row.steps for row in rows), strict=True)),
    )


def _grid_row(kit: Kit, head: Head, job: JobResult, testids: Sequence[str]) -> GridRow:
    steps = {step.testid: step for step in job.steps}
    bad = job.status not in HARMLESS
    runs = kit.archive.runs(head.branch, job.name) if bad else ()
    return GridRow(
        job=job,
        path=paths.JobPaths(head.flight, job.name).page,
        steps=tuple(steps.get(testid) for testid in testids),
        since=since(runs, head.flight) if bad else None,
    )


def _total(column: Sequence[StepResult | None]) -> str:
    found = Counter(step.status for step in column if step)
    bad = [f"{found[status]} {status}" for status in WORST_FIRST if found[status]]
    return ", ".join(bad)


def _skipped(result: FlightResult) -> Mapping[str, list[JobResult]]:
    """Jobs of which nothing could run, by the reason."""
    found: dict[str, list[JobResult]] = {}
    for job in result.jobs:
        if (why := why_skipped(job)) is not None:
            found.setdefault(why, []).append(job)
    return found


def _modes(result: FlightResult) -> Modes | None:
    table = modes_table(result.jobs)
    if table is None:
        return None
    total = max((column.boot for column in table.columns), default=0.0) or 1.0
    return Modes(
        table=table,
        pictures=tuple((column, _boot_picture(column, total)) for column in table.columns),
        scale=axis(total),
        colours=tuple((phase, _colour(phase)) for phase in PHASES),
    )


def _boot_picture(column: Column, total: float) -> Markup:
    bars, at = [], 0.0
    for phase, seconds in column.phases:
        title = f"{phase}: {human_seconds(seconds)}"
        bars.append(Bar(at, seconds, _colour(phase), title))
        at += seconds
    return chart([bars], total, f"boot of {column.job}, {human_seconds(column.boot)}")


def _colour(phase: str) -> str:
    return f"phase-{PHASES.index(phase)}"


def _lanes(result: FlightResult, page: str) -> tuple[list[HostLanes], Markup]:
    """For each host, which jobs ran there when."""
    total = max(result.duration, 1.0)
    bars: dict[str, list[Bar]] = {}
    for job in result.jobs:
        target = paths.relative(paths.JobPaths(result.flight_id, job.name).page, page)
        tries: tuple[JobResult | AttemptResult, ...] = (*job.attempts, job)
        for one in tries:
            if one.started is not None and one.duration > 0:
                start = (one.started - result.started).total_seconds()
                title = f"{job.name}: {one.status}, {human_seconds(one.duration)}"
                bar = Bar(start, one.duration, f"s-{one.status}", title, target)
                bars.setdefault(one.host or "", []).append(bar)
    return [
        HostLanes(
            host=host,
            path=paths.host(host) if host else "",
            picture=chart(side_by_side(found), total, f"jobs on {host or 'no host'}"),
        )
        for host, found in sorted(bars.items())
    ], axis(total)
