"""Striping: spreading the values of some axes over the product of the others.

A full product tries every value with every other. Striped axes do not multiply: each cell of the
product of the other axes gets one value of every striped axis, as osstest's ``stripy`` does it.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

Cell = dict[str, object]
"""A value for each axis, by its name."""
_Met = set[tuple[str, object, str, object]]


def product(axes: Mapping[str, Sequence[object]]) -> Iterator[Cell]:
    """All combinations; the last axis changes fastest."""
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def count(axes: Mapping[str, Sequence[object]], striped: Sequence[str]) -> int:
    """How many cells there are, without making them; with stripes: at least."""
    total = 1
    for axis, values in axes.items():
        total *= 1 if axis in striped else len(values)
    return max([total, *(len(axes[axis]) for axis in striped)])


def stripe(
    axes: Mapping[str, Sequence[object]],
    striped: Sequence[str],
    possible: Callable[[Cell], bool],
    matter: Collection[str] | None = None,
) -> Iterator[Cell]:
    """The cells of *axes*, of which those named in *striped* are spread.

    1. The product of the other axes is gone through in its order. In each cell the striped
       axes, in the order of the file, take a value: the one that has so far been together with
       the fewest of the cell's other values; among equals the one used least; then the first in
       the file. A cell that would be impossible takes the next best values.
    2. If there are values that no cell has used, the product is gone through again, only for
       cells that can use one of them, until none is left or a whole round finds no use.
    3. A value that is impossible everywhere is in one cell all the same, to be skipped with its
       reason.

    Only cells that are possible count as use. The same input always gives the same cells.
    *matter* are the axes that *possible* looks at, all if not given: with the others there is
    no second best to try.
    """
    spread = _Spread({axis: axes[axis] for axis in striped}, axes if matter is None else matter)
    base = list(product({axis: values for axis, values in axes.items() if axis not in striped}))
    shown: set[tuple[str, object]] = set()
    for cell in _rounds(base, spread, possible):
        shown |= {(axis, cell[axis]) for axis in striped}
        yield {axis: cell[axis] for axis in axes}
    for axis, value in spread.unused():
        if (axis, value) not in shown:
            cell = {**next(spread.choices(base[0])), axis: value}
            shown |= {(name, cell[name]) for name in striped}
            yield {name: cell[name] for name in axes}


def _rounds(
    base: Sequence[Cell], spread: _Spread, possible: Callable[[Cell], bool]
) -> Iterator[Cell]:
    for cell in base:
        chosen = next(filter(possible, spread.choices(cell)), None)
        if chosen is not None:
            spread.use(chosen)
        yield chosen or next(spread.choices(cell))
    yield from _second_rounds(base, spread, possible)


def _second_rounds(
    base: Sequence[Cell], spread: _Spread, possible: Callable[[Cell], bool]
) -> Iterator[Cell]:
    found = True
    while found and spread.unused():
        found = False
        for cell in base:
            lacking = spread.unused()
            fresh = (c for c in spread.choices(cell) if any(c[a] == v for a, v in lacking))
            chosen = next(filter(possible, fresh), None)
            if chosen is not None:
                found = True
                spread.use(chosen)
                yield chosen


class _Spread:
    """What has been used, and with what."""

    def __init__(self, axes: Mapping[str, Sequence[object]], matter: Collection[str]) -> None:
        self._axes = axes
        self._matter = frozenset(matter)
        self._uses: Counter[tuple[str, object]] = Counter()
        self._met: _Met = set()

    def unused(self) -> list[tuple[str, object]]:
        every = ((axis, value) for axis, values in self._axes.items() for value in values)
        return [pair for pair in every if pair not in self._uses]

    def choices(self, cell: Cell) -> Iterator[Cell]:
        """Full cells, the best first."""
        return self._completed(cell, list(self._axes))

    def use(self, cell: Cell) -> None:
        for axis in self._axes:
            self._uses[axis, cell[axis]] += 1
            self._met |= {(axis, cell[axis], o, v) for o, v in cell.items() if o != axis}

    def _completed(self, cell: Cell, open_axes: list[str]) -> Iterator[Cell]:
        if not open_axes:
            yield cell
            return
        axis, *rest = open_axes
        values = self._ranked(axis, cell)
        # A value without any use is always ranked first, so this hides none from later rounds.
        for value in values if self._matter.intersection(open_axes) else values[:1]:
            yield from self._completed({**cell, axis: value}, rest)

    def _ranked(self, axis: str, cell: Cell) -> list[object]:
        def rank(value: object) -> tuple[int, int]:
            together = sum((axis, value, o, v) in self._met for o, v in cell.items())
            return together, self._uses[axis, value]

        return sorted(self._axes[axis], key=rank)
