"""Rows of cells, a cell for each flight: heat maps, and the strip of a single job.

A pass is half as high as a failure, so that nobody has to tell red from green.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from harness.site.text import safe
from harness.status import Status

HEIGHT = 16
_LOW = frozenset({Status.PASS})
_FLAT = frozenset({Status.SKIP, Status.BLOCKED})
_WIDE, _NARROW = 14, 6
_FIT = 1000
"""Pixels that a row should not be longer than, if it can be helped."""


class Cell(NamedTuple):
    """One flight in a row."""

    status: Status | None
    """None: it was not there."""
    title: str
    href: str = ""


def pitch(cells: int) -> int:
    """Pixels from one cell of a row to the next, when there are so many."""
    return max(_NARROW, min(_WIDE, _FIT // max(cells, 1)))


def row(cells: Sequence[Cell], *, all_linked: bool = False) -> Markup:
    """One row. Cells that passed are one shape, unless *all_linked*: there are so many of them."""
    step = pitch(len(cells))
    merged: dict[Status, list[str]] = defaultdict(list)
    shown: list[str] = []
    for at, cell in enumerate(cells):
        if cell.status is None:
            continue
        top, high = _extent(cell.status)
        if cell.status in _LOW and not all_linked:
            merged[cell.status].append(f"M{at * step} {top}h{step - 1}v{high}h{1 - step}z")
            continue
        shown.append(_linked(cell, at * step, step - 1, top, high))
    paths = [f'<path class="s-{status}" d="{"".join(d)}"/>' for status, d in merged.items()]
    width = max(step * len(cells), 1)
    body = "".join(paths + shown)
    return Markup(
        f'<svg class="cells" width="{width}" height="{HEIGHT}" viewBox="0 0 {width} {HEIGHT}">'
        f"{body}</svg>"
    )


def ruler(labels: Sequence[str]) -> Markup:
    """Days above the columns, each where it changes, and only where there is room."""
    step = pitch(len(labels))
    width = max(step * len(labels), 1)
    parts, free, last = [], 0, ""
    for at, label in enumerate(labels):
        if label != last and at * step >= free and at * step + 70 <= max(width, 71):
            parts.append(f'<text x="{at * step}" y="12">{safe(label)}</text>')
            free = at * step + 80
        last = label
    return Markup(
        f'<svg class="ruler" width="{width}" height="{HEIGHT}" aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )


def _linked(cell: Cell, left: int, wide: int, top: int, high: int) -> str:
    shape = (
        f'<rect class="s-{cell.status}" x="{left}" y="{top}" width="{wide}" height="{high}">'
        f"<title>{safe(cell.title)}</title></rect>"
    )
    if not cell.href:
        return shape
    name = f'aria-label="{safe(cell.title)}"'
    return f'<a href="{safe(cell.href)}" {name}>{shape}</a>'


def _extent(status: Status) -> tuple[int, int]:
    """Its upper edge and its height."""
    if status in _LOW:
        return 4, 8
    return (6, 4) if status in _FLAT else (0, HEIGHT)
