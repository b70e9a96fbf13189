"""Bars on a line of time. Lengths are per cent of the room there is, so that they fit a phone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from harness.site.text import safe
from harness.units import human_seconds

BAR = 14
"""Pixels."""
LANE = 18
_THINNEST = 0.25
"""Per cent: what took no time can be seen, too."""
_STEPS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


class Bar(NamedTuple):
    """From *start* on, *length* seconds."""

    start: float
    length: float
    classes: str
    title: str
    href: str = ""
    label: str = ""


def single(bar: Bar, total: float) -> Markup:
    """One bar on a line of its own, which is *total* seconds long."""
    body = _rect(bar, total, 1)
    return Markup(f'<svg class="bar" width="100%" height="{LANE}" aria-hidden="true">{body}</svg>')


def side_by_side(bars: Iterable[Bar]) -> list[list[Bar]]:
    """*bars* on as few lines as they need without any two covering each other."""
    found: list[list[Bar]] = []
    for bar in sorted(bars, key=lambda bar: bar.start):
        for lane in found:
            if lane[-1].start + lane[-1].length <= bar.start:
                lane.append(bar)
                break
        else:
            found.append([bar])
    return found


def chart(rows: Sequence[Sequence[Bar]], total: float, name: str) -> Markup:
    """Several lines of bars, one below the other, each bar a link. *name* is for who can't see."""
    height = LANE * max(len(rows), 1)
    body = "".join(_rect(bar, total, LANE * at + 2) for at, bars in enumerate(rows) for bar in bars)
    return Markup(
        f'<svg class="lanes" width="100%" height="{height}" role="group"'
        f' aria-label="{safe(name)}">{grid(total)}{body}</svg>'
    )


def axis(total: float) -> Markup:
    """The scale above, in seconds."""
    marks = "".join(
        f'<text x="{100 * at / total:.3f}%" y="11"{_anchor(at, total)}>{_short(at)}</text>'
        for at in ticks(total)
    )
    return Markup(f'<svg class="axis" width="100%" height="14" aria-hidden="true">{marks}</svg>')


def grid(total: float) -> str:
    """Thin lines at the marks of the scale."""
    return "".join(
        f'<line class="tick" x1="{100 * at / total:.3f}%" x2="{100 * at / total:.3f}%" y1="0"'
        ' y2="100%"/>'
        for at in ticks(total)
    )


def ticks(total: float) -> list[float]:
    """Round numbers from 0 to *total*, six or so."""
    if total <= 0:
        return []
    step = next((one for one in _STEPS if total / one <= 6), total / 6)
    return [step * at for at in range(int(total / step) + 1)]


def _rect(bar: Bar, total: float, top: int) -> str:
    whole = total or 1.0
    left = min(max(100 * bar.start / whole, 0.0), 100 - _THINNEST)
    wide = min(max(100 * bar.length / whole, _THINNEST), 100 - left)
    shape = (
        f'<rect class="{safe(bar.classes)}" x="{left:.3f}%" y="{top}" width="{wide:.3f}%"'
        f' height="{BAR}" rx="2"><title>{safe(bar.title)}</title></rect>'
    )
    if not bar.href:
        return shape
    return f'<a href="{safe(bar.href)}" aria-label="{safe(bar.title)}">{shape}</a>'


def _anchor(at: float, total: float) -> str:
    return ' text-anchor="end"' if at > 0.9 * total else ""


def _short(seconds: float) -> str:
    return "0" if seconds == 0 else human_seconds(seconds).replace(".0 s", " s")
