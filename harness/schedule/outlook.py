"""What a plan comes to: when each job is expected to run, and where, and what hosts need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from harness.flight.expected import Expectation, Last
from harness.flight.model import JobSpec
from harness.flight.plan import Plan
from harness.schedule.board import Work
from harness.schedule.forecast import Bar, forecast, lower_bound, makespan
from harness.schedule.order import jobs_in_order
from harness.units import Size


class HostLoad(NamedTuple):
    """What a host has to do with it."""

    name: str
    slots: int
    jobs: int
    busy: float
    """The share of its slots' time that is used, 0 to 1."""
    memory: Size
    """What its guests have at once, at most."""
    disk: Size
    """What their disks hold at once, at most."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """Of one plan, run with so many jobs at once. Seconds."""

    bars: tuple[Bar, ...]
    """In the order in which jobs begin."""
    makespan: float
    longest: float
    """The same if each job takes as long as one of ten does."""
    bound: float
    """It could not be shorter: all work spread evenly, or the longest job."""
    critical: tuple[Bar, ...]
    """Those that decide when the flight ends: what stands in the slot of its last job."""
    hosts: tuple[HostLoad, ...]
    known: int
    """Of how many jobs history says something."""
    evidence: tuple[str, ...]
    """Jobs that begin early because they failed last time, or never ran."""


def outlook(plan: Plan, workers: int) -> Outlook:
    """What *plan* comes to with that many jobs at once.

    What hosts can do, and what others do there, is known only when it runs: here each job can run
    on each host, and every image is there.
    """
    jobs = {job.name: job for job in plan.jobs if not job.skip}
    expected = {name: plan.expectation(name) for name in jobs}
    slots = {host.name: host.slots for host in plan.hosts}
    names = tuple(slots)
    work = [
        Work(job=name, hosts=names, expected=expected[name])
        for name in jobs_in_order(plan)
        if name in jobs
    ]
    bars = forecast(work, slots, lambda job, _: expected[job].usual, workers)
    alike = all(one.usual == one.long for one in expected.values())
    slow = bars if alike else forecast(work, slots, lambda job, _: expected[job].long, workers)
    usual = [one.usual for one in expected.values()]
    return Outlook(
        bars=tuple(bars),
        makespan=makespan(bars),
        longest=makespan(slow),
        bound=lower_bound(usual, min(workers, plan.slots)),
        critical=_critical(bars),
        hosts=tuple(_load(name, slots[name], bars, jobs) for name in names),
        known=sum(name in plan.expected and _known(plan.expected[name]) for name in jobs),
        evidence=tuple(one.job for one in work if one.expected.last is not Last.PASSED),
    )


def _known(expected: Expectation) -> bool:
    return expected.last is not Last.NEVER


def _critical(bars: Sequence[Bar]) -> tuple[Bar, ...]:
    """The last job, and before each the one whose end let it begin: the same slot's."""
    if not bars:
        return ()
    last = max(bars, key=lambda bar: bar.end)
    mine = [bar for bar in bars if (bar.host, bar.slot) == (last.host, last.slot)]
    return tuple(sorted(mine, key=lambda bar: bar.begin))


def _load(name: str, slots: int, bars: Sequence[Bar], jobs: Mapping[str, JobSpec]) -> HostLoad:
    mine = [bar for bar in bars if bar.host == name]
    whole = makespan(bars) * slots
    return HostLoad(
        name=name,
        slots=slots,
        jobs=len(mine),
        busy=sum(bar.end - bar.begin for bar in mine) / whole if whole else 0.0,
        memory=Size(_at_once(mine, lambda bar: memory_of(jobs[bar.job]))),
        disk=Size(_at_once(mine, lambda bar: disk_of(jobs[bar.job]))),
    )


def memory_of(job: JobSpec) -> Size:
    """That of all guests of a job together."""
    return Size(job.memory + (job.neighbour or 0))


def disk_of(job: JobSpec) -> Size:
    """All disks of a job together."""
    roots = job.disk * (2 if job.neighbour else 1)
    return Size(roots + (job.swap or 0) + sum(job.extra_disks))


def _at_once(bars: Iterable[Bar], size: Callable[[Bar], int]) -> int:
    """The most of it that there is at any time."""
    # Who ends makes room before who begins at the same moment takes it.
    changes = [(bar.begin, 1, size(bar)) for bar in bars]
    changes += [(bar.end, 0, -size(bar)) for bar in bars]
    return max(accumulate((change for *_, change in sorted(changes)), initial=0))
