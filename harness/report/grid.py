"""Flights as a grid in Markdown: rows of dist and architecture, columns of virt and boot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from harness.dists.table import TABLE
from harness.flight.axes import Boot, Virt
from harness.report.words import SIMULATED
from harness.results.model import FlightResult, HostFacts, JobResult
from harness.status import Status
from harness.units import human_seconds

AXES = ("dist", "arch", "virt", "boot")


def grid_text(flights: Sequence[FlightResult]) -> str:
    """The whole page: what ran on what, the grid, the reasons, and how often each value passed.

    Of a job that is in several of *flights* the last one's result is shown, and how many of its
    runs passed unless all did. A run that was broken off says nothing where there is another.
    """
    runs: dict[str, list[JobResult]] = {}
    for flight in flights:
        for job in flight.jobs:
            runs.setdefault(job.name, []).append(job)
    for name, found in runs.items():
        runs[name] = [job for job in found if job.status is not Status.ABORTED] or found[-1:]
    jobs = [found[-1] for found in runs.values()]
    if len(flights) > 1:
        jobs.sort(key=_place)
    notes = _Notes()
    grid = _grid(jobs, {name: _share(found) for name, found in runs.items()}, notes)
    counts = Counter(job.status for job in jobs)
    told = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
    names = ", ".join(f"`{flight.flight_id}`" for flight in flights)
    seconds = sum(flight.duration for flight in flights)
    parts = [
        f"Flight{'s' if len(flights) > 1 else ''} {names}: {len(jobs)} "
        f"cell{'s' if len(jobs) != 1 else ''}: {told}; "
        f"{human_seconds(seconds)} in all.",
        *dict.fromkeys(line for flight in flights for line in _host_line(flight)),
        *grid,
        *notes.lines(),
        _table(("axis", "value", "cells", "pass"), _values(jobs)),
    ]
    return "\n\n".join(parts) + "\n"


def _place(job: JobResult) -> tuple[int, str]:
    """Distributions in the order of the table; what it does not know comes last."""
    return _order(list(TABLE), job.dist), job.arch


def _order(known: Sequence[str], value: str) -> int:
    return known.index(value) if value in known else len(known)


def _share(runs: Sequence[JobResult]) -> str:
    passed = sum(job.status is Status.PASS for job in runs)
    mixed = 0 < passed < len(runs)
    return f", {passed} of {len(runs)} runs passed" if mixed else ""


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
    return [_host(host) for host in flight.hosts]


def _host(host: HostFacts) -> str:
    parts: list[str | None] = [SIMULATED] if host.simulated else []
    parts += [f"Xen {host.xen_version}", host.dom0_release, f"dom0 Linux {host.dom0_kernel}"]
    parts += [f"emulated ({host.accel})"] if host.accel == "tcg" else []
    return f"Host: {', '.join(part for part in parts if part)}."


def _grid(jobs: Sequence[JobResult], shares: Mapping[str, str], notes: _Notes) -> list[str]:
    """A table for the plain cells, and one for each other thing that names say."""
    columns = list(dict.fromkeys((job.virt, job.boot) for job in jobs))
    columns.sort(key=lambda column: (_order(list(Virt), column[0]), _order(list(Boot), column[1])))
    groups: dict[str, list[JobResult]] = {}
    for job in jobs:
        groups.setdefault(_rest(job), []).append(job)
    tables = []
    for rest, members in groups.items():
        rows: dict[str, dict[tuple[str, str], str]] = {}
        for job in members:
            row = rows.setdefault(f"{job.dist} {job.arch}", {})
            row[job.virt, job.boot] = _cell(job, notes) + shares[job.name]
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
