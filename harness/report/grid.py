"""One flight as a grid in Markdown: rows of dist and architecture, columns of virt and boot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from harness.results.model import FlightResult, JobResult
from harness.status import Status
from harness.units import human_seconds

AXES = ("dist", "arch", "virt", "boot")


def grid_text(flight: FlightResult) -> str:
    """The whole page: what ran on what, the grid, the reasons, and how often each value passed."""
    notes = _Notes()
    grid = _grid(flight.jobs, notes)
    counts = Counter(job.status for job in flight.jobs)
    told = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
    parts = [
        f"Flight `{flight.flight_id}`: {len(flight.jobs)} cells: {told}; "
        f"{human_seconds(flight.duration)} in all.",
        *_host_line(flight),
        *grid,
        *notes.lines(),
        _table(("axis", "value", "cells", "pass"), _values(flight.jobs)),
    ]
    return "\n\n".join(parts) + "\n"


class _Notes:
    """Reasons, each once, by number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, reason: str) -> int:
        """That of *reason*, a new one if it is new."""
        return self._numbers.setdefault(reason, len(self._numbers) + 1)

    def lines(self) -> list[str]:
        """All of them, in order, as one paragraph."""
        if not self._numbers:
            return []
        found = [f"{number}. {_escaped(reason)}" for reason, number in self._numbers.items()]
        return ["\n".join(found)]


def _host_line(flight: FlightResult) -> list[str]:
    host = flight.host
    if host is None:
        return []
    parts = [f"Xen {host.xen_version}", host.dom0_release, f"dom0 Linux {host.dom0_kernel}"]
    parts += [f"emulated ({host.accel})"] if host.accel == "tcg" else []
    return [f"Host: {', '.join(part for part in parts if part)}."]


def _grid(jobs: Sequence[JobResult], notes: _Notes) -> list[str]:
    """A table for the plain cells, and one for each other thing that names say."""
    columns = list(dict.fromkeys((job.virt, job.boot) for job in jobs))
    columns.sort(key=lambda column: [job.virt for job in jobs].index(column[0]))
    groups: dict[str, list[JobResult]] = {}
    for job in jobs:
        groups.setdefault(_rest(job), []).append(job)
    tables = []
    for rest, members in groups.items():
        rows: dict[str, dict[tuple[str, str], str]] = {}
        for job in members:
            row = rows.setdefault(f"{job.dist} {job.arch}", {})
            row[job.virt, job.boot] = _cell(job, notes)
        head = (rest or "guest", *(f"{virt} {boot}" for virt, boot in columns))
        body = [
            (name, *(cells.get(column, "") for column in columns)) for name, cells in rows.items()
        ]
        tables.append(_table(head, body))
    return tables


def _rest(job: JobResult) -> str:
    """What the job's name has besides suite and axes: another builder, kernel, a variant."""
    usual = "-".join((job.suite, job.dist, job.arch, job.virt, job.boot))
    return job.name.removeprefix(usual).strip("-")


def _cell(job: JobResult, notes: _Notes) -> str:
    match job.status:
        case Status.PASS:
            return f"pass {job.duration:.0f} s"
        case Status.SKIP:
            return f"skip [{notes.number(job.reason or 'no reason given')}]"
        case status:
            return f"**{status}** [{notes.number(job.reason or 'no reason given')}]"


def _values(jobs: Iterable[JobResult]) -> list[tuple[str, ...]]:
    found: dict[tuple[str, str], list[Status]] = {}
    for axis in AXES:
        for job in jobs:
            found.setdefault((axis, getattr(job, axis)), []).append(job.status)
    return [
        (axis, value, str(len(statuses)), str(statuses.count(Status.PASS)))
        for (axis, value), statuses in found.items()
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_escaped, line)) + " |" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
