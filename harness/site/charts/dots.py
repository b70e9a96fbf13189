"""A trend: a dot for each run, over flights from left to right, outliers with a ring."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from harness.site.text import safe
from harness.site.trend import Point, Trend
from harness.units import human_seconds

HEIGHT = 96
"""Pixels."""
_PAD = 8
_HEADROOM = 1.4
_ROOM = 1000
"""Units of the drawing from side to side."""
HOSTS = 6
"""So many looks of dots there are; further hosts have that of the last."""


def trend_chart(
    trend: Trend, flights: Sequence[str], hosts: Sequence[str], links: Mapping[str, str]
) -> Markup:
    """*trend* over *flights*, oldest first. *links*: where outliers of a flight lead."""
    columns = {flight: at for at, flight in enumerate(flights)}
    top = _top(trend)
    step = _ROOM / max(len(flights), 1)
    paths: dict[str, list[str]] = defaultdict(list)
    usual: dict[str, list[str]] = defaultdict(list)
    rings: list[str] = []
    for point in trend.points:
        if point.flight not in columns:
            continue
        x, y = step * (columns[point.flight] + 0.5), _y(point.seconds, top)
        paths[point.host].append(f"M{x:.1f} {y:.1f}h0")
        usual[point.host].append(f"{x:.1f} {_y(point.usual, top):.1f}")
        if point.outlier:
            rings.append(_ring(point, x, y, links.get(point.flight, "")))
    dots = [
        f'<path class="dot {look(host, hosts)}" d="{"".join(d)}"/>' for host, d in paths.items()
    ]
    lines = [
        f'<path class="median {look(host, hosts)}" d="M{"L".join(d)}"/>'
        for host, d in usual.items()
    ]
    return Markup(
        f'<svg class="trend" width="100%" height="{HEIGHT}" role="group"'
        f' aria-label="{safe(_said(trend))}">'
        f'<line class="tick" x1="0" x2="100%" y1="{_PAD}" y2="{_PAD}"/>'
        f'<line class="tick" x1="0" x2="100%" y1="{HEIGHT - _PAD}" y2="{HEIGHT - _PAD}"/>'
        f'<svg viewBox="0 0 {_ROOM} {HEIGHT}" preserveAspectRatio="none" width="100%"'
        f' height="{HEIGHT}">{"".join(lines + dots)}</svg>{"".join(rings)}</svg>'
    )


def look(host: str, hosts: Sequence[str]) -> str:
    """The class of a host's dots."""
    at = hosts.index(host) if host in hosts else HOSTS - 1
    return f"h{min(at, HOSTS - 1)}"


def _top(trend: Trend) -> float:
    """Seconds at the upper edge. Outliers that are farther up are drawn there, or all the others
    would lie on the ground."""
    usual = max((point.seconds for point in trend.points if not point.outlier), default=0.0)
    highest = max((point.seconds for point in trend.points), default=0.0)
    return min(highest, _HEADROOM * usual or highest) or 1.0


def _y(seconds: float, top: float) -> float:
    return HEIGHT - _PAD - (HEIGHT - 2 * _PAD) * min(seconds / top, 1.0)


def _ring(point: Point, x: float, y: float, href: str) -> str:
    title = f"{human_seconds(point.seconds)} on {point.host} in {point.flight}"
    shape = (
        f'<circle class="outlier" cx="{100 * x / _ROOM:.2f}%" cy="{y:.1f}" r="6">'
        f"<title>{safe(title)}</title></circle>"
    )
    if not href:
        return shape
    return f'<a href="{safe(href)}" aria-label="{safe(title)}">{shape}</a>'


def _said(trend: Trend) -> str:
    medians = ", ".join(f"{human_seconds(time)} on {host}" for host, time in trend.medians.items())
    return f"{trend.name}: {len(trend.points)} runs, median {medians or 'unknown'}"
