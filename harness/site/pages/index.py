"""The first page, and a page for each branch: its jobs over its flights."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from harness.site import paths
from harness.site.archive import Head
from harness.site.charts.cells import Cell, row, ruler
from harness.site.pages.kit import Kit, Output

_RECENT = 300
"""Flights in the table of the first page."""
_STRIP = 40


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One branch on the first page."""

    name: str
    path: str
    last: Head
    strip: Markup


@dataclass(frozen=True, kw_only=True)
class Row:
    """One job over the flights of a branch."""

    job: str
    path: str
    last: str
    """Its status in the newest flight that had it."""
    cells: Markup


def index_page(kit: Kit) -> Output:
    """All branches and flights."""
    branches = [_branch(kit, name) for name in kit.branches]
    recent = [head for head in kit.heads if head.flight in kit.with_pages][:_RECENT]
    running = [head for head in recent if head.running]
    return kit.page("index.html", paths.INDEX, branches=branches, recent=recent, running=running)


def branch_page(kit: Kit, branch: str) -> Output:
    """The jobs of a branch, those that fail now first."""
    path = paths.branch(branch)
    columns = kit.columns(branch)
    links = {head.flight: _href(kit, head, path) for head in columns}
    names = list(dict.fromkeys(job for head in reversed(columns) for job in head.jobs))
    rows = [_row(branch, job, columns, links) for job in names]
    rows.sort(key=lambda one: one.last in ("pass", "skip"))
    return kit.page(
        "branch.html",
        path,
        branch=branch,
        rows=rows,
        columns=columns,
        ruler=ruler([f"{head.started:%Y-%m-%d}" for head in columns]),
        total=row([_flight_cell(head, links[head.flight]) for head in columns], all_linked=True),
    )


def _branch(kit: Kit, name: str) -> Branch:
    columns = kit.columns(name)
    cells = [_flight_cell(head, _href(kit, head, paths.INDEX)) for head in columns[-_STRIP:]]
    return Branch(
        name=name, path=paths.branch(name), last=columns[-1], strip=row(cells, all_linked=True)
    )


def _row(branch: str, job: str, columns: list[Head], links: dict[str, str]) -> Row:
    cells = []
    last = ""
    for head in columns:
        status = head.jobs.get(job)
        if status is None:
            cells.append(Cell(None, ""))
            continue
        last = status
        title = f"{head.started:%Y-%m-%d %H:%M} {head.flight}: {status}"
        href = links[head.flight]
        target = href.removesuffix(paths.INDEX) + f"job/{paths.part(job)}/{paths.INDEX}"
        cells.append(Cell(status, title, target if href else ""))
    return Row(job=job, path=paths.history(branch, job), last=last, cells=row(cells))


def _flight_cell(head: Head, href: str) -> Cell:
    title = f"{head.started:%Y-%m-%d %H:%M} {head.flight}: {head.status}"
    return Cell(head.status, title, href)


def _href(kit: Kit, head: Head, page: str) -> str:
    target = kit.flight_path(head.flight)
    return paths.relative(target, page) if target else ""
