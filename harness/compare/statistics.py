"""Paired statistics that are right for a few pairs, too.

- Wilcoxon's signed-rank test (F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics
  Bulletin 1, 1945): exact up to `EXACT` pairs, ties included, by counting all 2^n signs; from there
  on by the normal distribution with corrections for ties and continuity.
- The Hodges-Lehmann estimate and the interval that belongs to that test (J. Hodges and E. Lehmann,
  "Estimates of location based on rank tests", Annals of Mathematical Statistics 34, 1963).
- Holm's correction for asking several questions at once (S. Holm, "A simple sequentially rejective
  multiple test procedure", Scandinavian Journal of Statistics 6, 1979).
- McNemar's test, exact: a sign test of the pairs that differ (Q. McNemar, "Note on the sampling
  error of the difference between correlated proportions", Psychometrika 12, 1947).
- Fisher's exact test, one-sided (R. Fisher, "The Design of Experiments", 1935).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import comb, sqrt
from statistics import NormalDist, median

EXACT = 25
"""Pairs up to which all signs are counted."""
LEVEL = 0.05
FEWEST = 6
"""Pairs below which no outcome can have a p below `LEVEL`: the smallest that there is is 2/2^n."""
_NORMAL = NormalDist()


def wilcoxon(differences: Sequence[float]) -> float:
    """The two-sided p of the hypothesis that *differences* are symmetric around 0.

    Those that are 0 are left out, as Wilcoxon did. 1.0 when nothing is left.
    """
    found = sorted((one for one in differences if one != 0), key=abs)
    if not found:
        return 1.0
    ranks = _doubled_ranks([abs(one) for one in found])
    positive = sum(rank for rank, one in zip(ranks, found, strict=True) if one > 0)
    smaller = min(positive, sum(ranks) - positive)
    if len(found) <= EXACT:
        return min(1.0, 2 * _share_up_to(ranks, smaller))
    return _by_normal(ranks, smaller)


def shift(differences: Sequence[float]) -> tuple[float, float, float]:
    """How far *differences* are from 0: the Hodges-Lehmann estimate, and both ends of its 95 %
    interval. `ValueError` without any; the ends are the extremes where there are too few."""
    if not differences:
        msg = "there are no differences"
        raise ValueError(msg)
    count = len(differences)
    averages = sorted(
        (differences[a] + differences[b]) / 2 for a in range(count) for b in range(a, count)
    )
    cut = _cut(count)
    return median(averages), averages[cut], averages[-1 - cut]


def holm(values: Sequence[float]) -> list[float]:
    """Each of *values*, which are ps, corrected for there being several."""
    order = sorted(range(len(values)), key=lambda at: values[at])
    found = [0.0] * len(values)
    highest = 0.0
    for place, at in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - place) * values[at]))
        found[at] = highest
    return found


def mcnemar(one: int, other: int) -> float:
    """The two-sided p of *one* pair changing this way and *other* pairs that way by chance."""
    count = one + other
    ways = sum(comb(count, k) for k in range(min(one, other) + 1))
    return min(1.0, float(2 * ways / 2**count))


def fisher(hits: int, tries: int, others: int, other_tries: int) -> float:
    """The p of at least *hits* in *tries*, if those and the *others* came about alike."""
    count, found = tries + other_tries, hits + others
    ways = sum(
        comb(tries, k) * comb(other_tries, found - k) for k in range(hits, min(tries, found) + 1)
    )
    return ways / comb(count, found)


def smallest_p(pairs: int) -> float:
    """The smallest p that so many pairs can have."""
    return min(1.0, 2.0 ** (1 - pairs))


def _doubled_ranks(sizes: Sequence[float]) -> list[int]:
    """Twice the ranks of *sizes*, which are sorted: equal ones share the mean of theirs."""
    ranks: list[int] = []
    for _, group in groupby(sizes):
        equal = len(list(group))
        ranks += [2 * len(ranks) + equal + 1] * equal
    return ranks


def _share_up_to(ranks: Sequence[int], limit: int) -> float:
    """The share of all signs for which the sum of the positive *ranks* is at most *limit*."""
    ways = [0] * (limit + 1)
    ways[0] = 1
    for rank in ranks:
        for total in range(limit, rank - 1, -1):
            ways[total] += ways[total - rank]
    return float(sum(ways) / 2 ** len(ranks))


def _by_normal(ranks: Sequence[int], smaller: int) -> float:
    mean = sum(ranks) / 4
    # The variance is that of the sum of ranks with random signs; it takes ties into account.
    deviation = sqrt(sum((rank / 2) ** 2 for rank in ranks) / 4)
    z = (smaller / 2 - mean + 0.5) / deviation
    return min(1.0, 2 * _NORMAL.cdf(z))


def _cut(count: int) -> int:
    """How many averages are left out at each end of the interval."""
    if count > EXACT:
        deviation = sqrt(count * (count + 1) * (2 * count + 1) / 24)
        middle = count * (count + 1) / 4
        return max(0, int(middle + _NORMAL.inv_cdf(LEVEL / 2) * deviation))
    ranks = [2 * rank for rank in range(1, count + 1)]
    cut = 0
    while _share_up_to(ranks, 2 * cut) <= LEVEL / 2:
        cut += 1
    return max(0, cut - 1)
