"""When everything of a flight was done: one line for each slot."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from harness.results.model import FlightResult
from harness.results.rules import HARMLESS
from harness.site import paths
from harness.site.archive import Head
from harness.site.charts.bars import Bar, axis, chart, side_by_side
from harness.site.pages.kit import Kit, Output
from harness.site.times import Kind, Lane, Span, times_of
from harness.units import human_seconds

WORDS = {
    Kind.BUILD: "images are built",
    Kind.WAIT: "waiting for an image, a slot or room",
    Kind.STEP: "steps",
    Kind.BOOT: "boots",
    Kind.TEARDOWN: "teardown and evidence",
    Kind.CHECK: "leak checks",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the picture."""

    name: str
    path: str
    picture: Markup


def times_page(kit: Kit, head: Head, result: FlightResult) -> Output:
    """The page of one flight's times."""
    path = paths.times(head.flight)
    times = times_of(result, kit.archive.directory(head.flight))
    rows = [_row(lane, times.total, head.flight, path) for lane in times.lanes]
    spans = [(lane, span) for lane in times.lanes for span in lane.spans]
    longest = sorted(spans, key=lambda one: -one[1].length)[:20]
    return kit.page(
        "times.html",
        path,
        head=head,
        rows=rows,
        scale=axis(times.total),
        total=times.total,
        spent={kind: (WORDS[kind], seconds) for kind, seconds in times.spent.items() if seconds},
        longest=longest,
    )


def _row(lane: Lane, total: float, flight: str, page: str) -> Row:
    bars = [_bar(span, flight, page) for span in lane.spans]
    name = f"{lane.host} {lane.slot}" if lane.host else lane.slot
    return Row(
        name=f"{lane.host}, slot {lane.slot}" if lane.host else lane.slot,
        path=paths.host(lane.host) if lane.host and lane.host != "?" else "",
        picture=chart(side_by_side(bars), total, f"what ran in {name}"),
    )


def _bar(span: Span, flight: str, page: str) -> Bar:
    target = paths.relative(paths.JobPaths(flight, span.job).page, page) if span.job else ""
    status = "" if span.status in HARMLESS else f", {span.status}"
    whose = f"{span.job}: " if span.job else ""
    title = f"{whose}{span.what}{status}, {human_seconds(span.length)}"
    colour = f"k-{span.kind}" if not status else f"s-{span.status}"
    return Bar(span.begin, span.length, colour, title, target)
