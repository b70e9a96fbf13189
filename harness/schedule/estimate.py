"""osstest's estimator of durations, with quantiles.

osstest expects of a job the longest of the same job, branch and blessing over 14 days, on the same
host if it was there, else on any, without the wait for a host, and 5000 s if nothing is known
(``Osstest/Executive.pm``, ``duration_estimator``). One bad night then counts for two weeks, so
here quantiles stand for the maximum; and between the job and nothing there are its kin.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from harness.flight.expected import UNKNOWN, Expectation, Last
from harness.status import Status

WINDOW = timedelta(days=14)
"""osstest's."""
MOST = 20
"""Of one job, the newest."""
USUAL, LONG = 0.5, 0.9
WAITS = ("image", "slot", "admission", "host")
"""Phases in which a job waits for others: no part of what it takes."""
_RAN = frozenset({Status.PASS, Status.FAIL})
"""What says how long a job takes; osstest's choice, too. One that broke ended somewhere."""
_TOLD = _RAN | {Status.BROKEN}


class Sample(NamedTuple):
    """One run of a job. There may be a hundred thousand."""

    job: str
    suite: str
    virt: str
    arch: str
    host: str | None
    at: datetime
    """Aware."""
    status: Status
    seconds: float
    """Without `WAITS`."""


class Kind(Protocol):
    """What is asked of a job: `JobSpec` has it all."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def suite(self) -> str:
        """Its suite."""
        ...

    @property
    def virt(self) -> str:
        """``pv``, ``pvh`` or ``hvm``."""
        ...

    @property
    def arch(self) -> str:
        """Such as ``amd64``."""
        ...


class Basis(StrEnum):
    """What an estimate is made of, the best first."""

    HOST = "this job on this host"
    JOB = "this job"
    KIN = "jobs of its suite, mode and architecture"
    FLIGHT = "all jobs"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """How long a job takes."""

    basis: Basis
    seconds: tuple[float, ...]
    """What it was made of, sorted; empty for `Basis.NOTHING` only."""

    def quantile(self, share: float) -> float:
        """So long at most did *share* (0 to 1) of them take, between two interpolated; seconds."""
        if not self.seconds:
            return UNKNOWN.usual if share <= USUAL else UNKNOWN.long
        place = share * (len(self.seconds) - 1)
        below, above = self.seconds[math.floor(place)], self.seconds[math.ceil(place)]
        return below + (above - below) * (place - math.floor(place))


class Estimator:
    """Estimates out of *samples*, in any order, as of *now*."""

    def __init__(self, samples: Iterable[Sample], now: datetime) -> None:
        ordered = sorted(samples, key=lambda one: one.at, reverse=True)
        self._last: dict[str, Sample] = {}
        known: dict[Hashable, list[Sample]] = defaultdict(list)
        for one in ordered:
            if one.status in _TOLD:
                self._last.setdefault(one.job, one)
            if one.status not in _RAN:
                continue
            known[one.job].append(one)
            if one.host:
                known[one.job, one.host].append(one)
        self._known = {key: _recent(found, now) for key, found in known.items()}
        kin: dict[Hashable, list[float]] = defaultdict(list)
        for job in {one.job: one for one in ordered if one.status in _RAN}.values():
            kin[job.suite, job.virt, job.arch] += self._known[job.job]
            kin[None] += self._known[job.job]
        self._kin = {key: tuple(sorted(seconds)) for key, seconds in kin.items()}

    def estimate(self, job: Kind, host: str | None = None) -> Estimate:
        """Of *job*, on *host* if that is known; falls back to whatever comes nearest."""
        if host and (found := self._known.get((job.name, host))):
            return Estimate(basis=Basis.HOST, seconds=found)
        if found := self._known.get(job.name):
            return Estimate(basis=Basis.JOB, seconds=found)
        if kin := self._kin.get((job.suite, str(job.virt), str(job.arch))):
            return Estimate(basis=Basis.KIN, seconds=kin)
        if every := self._kin.get(None):
            return Estimate(basis=Basis.FLIGHT, seconds=every)
        return Estimate(basis=Basis.NOTHING, seconds=())

    def expectations(self, jobs: Iterable[Kind], host: str | None = None) -> list[Expectation]:
        """Of each of *jobs* what a plan says of it; *host* if there is but one."""
        # Ten thousand jobs may have the same kin.
        times: dict[tuple[float, ...], tuple[float, float]] = {}
        found = []
        for job in jobs:
            estimate = self.estimate(job, host)
            if estimate.seconds not in times:
                two = (estimate.quantile(USUAL), estimate.quantile(LONG))
                times[estimate.seconds] = (round(two[0], 1), round(two[1], 1))
            usual, long = times[estimate.seconds]
            last = self._last.get(job.name)
            where = last.host if last else None
            found.append(Expectation(usual=usual, long=long, last=_outcome(last), host=where))
        return found


def _outcome(last: Sample | None) -> Last:
    if last is None:
        return Last.NEVER
    return Last.PASSED if last.status is Status.PASS else Last.FAILED


def _recent(newest_first: Sequence[Sample], now: datetime) -> tuple[float, ...]:
    """Those of `WINDOW`; where there are none, the newest: it is better than nothing."""
    fresh = [one for one in newest_first if one.at >= now - WINDOW]
    chosen = fresh[:MOST] or newest_first[:1]
    return tuple(sorted(max(0.0, one.seconds) for one in chosen))


def own_time(seconds: float, waits: Mapping[str, float]) -> float:
    """*seconds* without those in which the job waited for others."""
    return max(0.0, seconds - sum(waits.get(name, 0.0) for name in WAITS))
