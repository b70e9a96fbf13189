"""How long something took from flight to flight, and which times are unusual."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from harness.results.runs import Run
from harness.status import Status

AROUND = 10
"""Runs before and after one, on the same host, that it is held against: what became slower for good
is no outlier."""
ENOUGH = 8
"""Runs of one host below which none of them is called unusual."""
FAR = 3.5
"""The modified z-score above which a time is an outlier (B. Iglewicz and D. Hoaglin, "How to detect
and handle outliers", ASQC 1993): 0.6745 times the distance from the median, over the median of all
distances. Unlike mean and deviation these do not follow the outliers themselves."""
_NORMAL = 0.6745
_LEAST, _LEAST_SECONDS = 0.02, 0.05
"""The spread is taken for that share of the median at least, and for that long: times that are
nearly all the same would make an outlier of a hundredth of a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One run. *seconds*: how long it took."""

    flight: str
    host: str
    started: datetime
    seconds: float
    usual: float
    """The median of the runs around it."""
    outlier: bool = False


@dataclass(frozen=True, kw_only=True)
class Trend:
    """One thing over many flights; the oldest point comes first."""

    name: str
    points: tuple[Point, ...]
    medians: Mapping[str, float]
    """By host."""

    @property
    def outliers(self) -> tuple[Point, ...]:
        """The unusual ones."""
        return tuple(point for point in self.points if point.outlier)


def phase_trends(runs: Sequence[Run]) -> list[Trend]:
    """A trend for each phase of each step, and for each step that has none, of the runs of one job.

    Only what passed counts: how long a failure took says when somebody lost patience.
    """
    found: dict[str, list[tuple[Run, float]]] = defaultdict(list)
    for run in reversed(runs):
        for step in run.steps:
            if step.status is Status.PASS and not step.phases:
                found[step.testid].append((run, step.duration))
            for phase in step.phases:
                if phase.status is Status.PASS and phase.name not in WAITS:
                    found[f"{step.testid}: {phase.name}"].append((run, phase.duration))
    return [trend(name, known) for name, known in found.items()]


NO_HOST = "no host"
"""In the place of a host's name, of a run that never had one."""
WAITS = frozenset({"image", "slot"})
"""Phases in which a job waits for others (docs/results.md): how long says nothing of the guest."""


def trend(name: str, runs: Sequence[tuple[Run, float]]) -> Trend:
    """*runs*, the oldest first, with their seconds. Outliers are looked for host by host: each has
    a speed of its own."""
    times: dict[str, list[float]] = defaultdict(list)
    for run, seconds in runs:
        times[run.host or NO_HOST].append(seconds)
    found = {host: iter(judged(known)) for host, known in times.items()}
    points = []
    for run, seconds in runs:
        host = run.host or NO_HOST
        usual, outlier = next(found[host])
        point = Point(
            flight=run.flight,
            host=host,
            started=run.started,
            seconds=seconds,
            usual=usual,
            outlier=outlier,
        )
        points.append(point)
    medians = {host: _middle(sorted(known)) for host, known in times.items()}
    return Trend(name=name, points=tuple(points), medians=medians)


def judged(times: Sequence[float]) -> Iterator[tuple[float, bool]]:
    """For each of *times*, one after the other: the median around it, and whether it is far off."""
    for at, time in enumerate(times):
        near = times[max(0, at - AROUND) : at + AROUND + 1]
        middle = _middle(sorted(near))
        far = _NORMAL * abs(time - middle)
        least = max(_LEAST * middle, _LEAST_SECONDS)
        if len(near) < ENOUGH or far <= FAR * least:
            yield middle, False
        else:
            spread = _middle(sorted(abs(one - middle) for one in near))
            yield middle, far > FAR * max(spread, least)


def _middle(known: Sequence[float]) -> float:
    """The median of what is sorted already."""
    half = len(known) // 2
    return known[half] if len(known) % 2 else (known[half - 1] + known[half]) / 2
