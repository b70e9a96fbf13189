"""A plan as a picture: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from harness.errors import UsageError
from harness.flight.expected import Last
from harness.flight.plan import Plan
from harness.schedule.forecast import Bar as Planned
from harness.schedule.outlook import Outlook
from harness.site.charts.bars import Bar, axis, chart
from harness.site.render import STATIC, render
from harness.units import human_seconds

TEMPLATE = "plan.html"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A slot of a host."""

    name: str
    picture: Markup


def write_plan_gantt(plan: Plan, found: Outlook, file: Path) -> None:
    """Draw what *plan* comes to; `UsageError` when *file* can't be written."""
    try:
        file.write_bytes(plan_gantt(plan, found))
    except OSError as error:
        msg = f"cannot write {file}: {error.strerror or error}"
        raise UsageError(msg) from error


def plan_gantt(plan: Plan, found: Outlook) -> bytes:
    """The page, as UTF-8. Its style stands in it, and its policy allows just that."""
    style = (STATIC / "site.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return render(
        TEMPLATE,
        "plan.html",
        {
            "plan": plan,
            "found": found,
            "rows": _rows(plan, found),
            "scale": axis(found.makespan),
            # Ours, and no words of anybody else; in a style sheet nothing may be escaped.
            "style": Markup(style),
            "csp": f"default-src 'none'; style-src 'sha256-{digest}'",
        },
    )


def _rows(plan: Plan, found: Outlook) -> list[Row]:
    numbers = {bar.job: number for number, bar in enumerate(found.bars, start=1)}
    critical = {bar.job for bar in found.critical}
    lanes: dict[tuple[str, int], list[Bar]] = {}
    for bar in found.bars:
        lane = lanes.setdefault((bar.host, bar.slot), [])
        lane.append(_bar(plan, bar, numbers[bar.job], critical=bar.job in critical))
    order = {host.name: at for at, host in enumerate(plan.hosts)}
    return [
        Row(
            name=f"{host}, slot {slot}",
            picture=chart([bars], found.makespan, f"jobs in slot {slot} of {host}"),
        )
        for (host, slot), bars in sorted(lanes.items(), key=lambda one: (order[one[0][0]], one[0]))
    ]


def _bar(plan: Plan, bar: Planned, number: int, *, critical: bool) -> Bar:
    last = plan.expectation(bar.job).last
    kind = "critical" if critical else "step" if last is Last.PASSED else "early"
    length = bar.end - bar.begin
    title = f"{bar.job}: after {human_seconds(bar.begin)}, {human_seconds(length)}, last {last}"
    return Bar(bar.begin, length, f"k-{kind}", title, f"#job-{number}")
