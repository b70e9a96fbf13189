"""How a figure went from run to run, on one kind of machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from harness.bench.machine import Machine
from harness.bench.record import BenchRun, Figure

SPARKS = "▁▂▃▄▅▆▇█"
SHOWN = 24
"""Runs in a picture: the newest."""


@dataclass(frozen=True, kw_only=True)
class Trend:
    """One figure over several runs, the oldest first; at least one."""

    figures: tuple[Figure, ...]

    @property
    def last(self) -> Figure:
        """The newest."""
        return self.figures[-1]

    @property
    def values(self) -> list[float]:
        """All of them."""
        return [figure.value for figure in self.figures]

    @property
    def median(self) -> float:
        """The middle one, which one odd run does not move."""
        return median(self.values)

    @property
    def picture(self) -> str:
        """A line of bars, lowest to highest; flat where nothing moves."""
        return sparks(self.values[-SHOWN:])


@dataclass(frozen=True, kw_only=True)
class Trends:
    """What one kind of machine gave."""

    machine: Machine
    """As it was in the newest run."""
    runs: int
    trends: tuple[Trend, ...]


def trends_of(runs: Iterable[BenchRun]) -> list[Trends]:
    """The figures of *runs*, the oldest first, by machine; that with the newest run first."""
    by_kind: dict[tuple[object, ...], list[BenchRun]] = {}
    for run in runs:
        by_kind.setdefault(run.machine.kind, []).append(run)
    found = sorted(by_kind.values(), key=lambda mine: mine[-1].at, reverse=True)
    return [_of_machine(mine) for mine in found]


def _of_machine(runs: Sequence[BenchRun]) -> Trends:
    by_name: dict[tuple[str, str], list[Figure]] = {}
    for run in runs:
        for figure in run.figures:
            by_name.setdefault((figure.name, figure.unit), []).append(figure)
    return Trends(
        machine=runs[-1].machine,
        runs=len(runs),
        trends=tuple(Trend(figures=tuple(figures)) for figures in by_name.values()),
    )


def sparks(values: Sequence[float]) -> str:
    """*values* as a line of small bars."""
    low, high = min(values), max(values)
    if high == low:
        return SPARKS[3] * len(values)
    top = len(SPARKS) - 1
    return "".join(SPARKS[round((value - low) / (high - low) * top)] for value in values)
