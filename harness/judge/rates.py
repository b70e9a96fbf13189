"""Pass rates, and how far they can be trusted.

The interval is Wilson's score interval (E. B. Wilson, "Probable inference, the law of succession,
and statistical inference", Journal of the American Statistical Association 22, 1927, 209-212): it
stays between 0 and 1, and is honest for few runs and for rates near the ends, where the usual one
is not (Brown, Cai, DasGupta, "Interval estimation for a binomial proportion", Statistical Science
16, 2001). For p of n runs, with q = p/n and z the normal quantile::

    (q + z²/2n ± z·sqrt(q(1-q)/n + z²/4n²)) / (1 + z²/n)
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import TypeVar

from harness.judge.history import VERDICTS, StepRun
from harness.status import Status

K = TypeVar("K", bound=Hashable)
CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """*passes* of *runs*, and the interval that holds the true rate with 95 % confidence."""

    passes: int
    runs: int

    def __post_init__(self) -> None:
        if not 0 <= self.passes <= self.runs:
            msg = f"{self.passes} passes of {self.runs} runs"
            raise ValueError(msg)

    @property
    def low(self) -> float:
        """The lower end of the interval; 0 without any run."""
        return wilson(self.passes, self.runs)[0]

    @property
    def high(self) -> float:
        """The upper end; 1 without any run."""
        return wilson(self.passes, self.runs)[1]

    def __str__(self) -> str:
        if not self.runs:
            return "never ran"
        share = 100 * self.passes / self.runs
        span = f"{100 * self.low:.0f} to {100 * self.high:.0f} %"
        return f"passed {self.passes} of {self.runs} times ({share:.0f} %; likely {span})"


def wilson(passes: int, runs: int, z: float = _Z) -> tuple[float, float]:
    """Both ends of Wilson's interval; (0, 1) when nothing ran."""
    if not runs:
        return 0.0, 1.0
    rate = passes / runs
    middle = rate + z * z / (2 * runs)
    half = z * sqrt(rate * (1 - rate) / runs + z * z / (4 * runs * runs))
    whole = 1 + z * z / runs
    # At both ends the bound is exact, and rounding must not put it just inside.
    low = 0.0 if passes == 0 else max(0.0, (middle - half) / whole)
    high = 1.0 if passes == runs else min(1.0, (middle + half) / whole)
    return low, high


def rate(runs: Iterable[StepRun]) -> Rate:
    """The pass rate of *runs*. Only `pass` and `fail` count: others say nothing of the guest."""
    statuses = [run.status for run in runs if run.status in VERDICTS]
    return Rate(passes=statuses.count(Status.PASS), runs=len(statuses))


def rates_by(runs: Iterable[StepRun], key: Callable[[StepRun], K]) -> dict[K, Rate]:
    """The pass rate for each value of *key*, such as each host; in the order they come up."""
    groups: dict[K, list[StepRun]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return {value: rate(found) for value, found in groups.items()}
