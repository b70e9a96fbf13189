"""Leak checks in the summary: what was left, by whom, line by line.

Names of processes, files and domains are others' to choose, so all of it is cleaned.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from harness.report.evidence import clean, one_line
from harness.report.words import STYLES
from harness.results.model import FlightResult, StepResult
from harness.status import Status
from harness.steps import LEAK_CHECK

QUOTED_LINES = 30
MOST_REMARKS = 5
"""On a host that is shared each job may have one."""
_TELLING = (Status.BROKEN, Status.FAIL)


def leak_report(result: FlightResult) -> Iterator[RenderableType]:
    """The leak checks that went wrong, each with all that it found, and those with a remark."""
    jobs = [(job.name, step) for job in result.jobs for step in job.steps]
    checks = [pair for pair in jobs if pair[1].testid == LEAK_CHECK]
    if result.leak_check:
        checks.append((f"flight {result.flight}", result.leak_check))
    for whose, step in checks:
        if step.status in _TELLING:
            yield Text()
            yield _headline(whose, step)
            yield from _quote(step)
    # What the flight's own has to remark stands with the totals.
    told = [pair for pair in jobs if pair in checks and pair[1].status is Status.PASS]
    told = [pair for pair in told if pair[1].reason]
    if told:
        yield Text()
    yield from (_headline(*pair) for pair in told[:MOST_REMARKS])
    if len(told) > MOST_REMARKS:
        more = f"and {len(told) - MOST_REMARKS} more jobs whose {LEAK_CHECK} has a remark"
        yield Text(more, style="dim")


def _headline(whose: str, step: StepResult) -> Text:
    style = STYLES[step.status]
    head = Text(one_line(f"{step.status}: {step.testid} of {whose}"), style=style)
    return head.append(f": {one_line(step.reason or '')}", style="not bold default")


def _quote(step: StepResult) -> Iterator[RenderableType]:
    lines = clean(step.evidence).splitlines()
    for line in lines[:QUOTED_LINES]:
        text = Text("  | ", style="dim", no_wrap=True, overflow="ellipsis")
        yield text.append(line, style="not dim")
    if len(lines) > QUOTED_LINES:
        yield Text(f"  | and {len(lines) - QUOTED_LINES} lines more, in results.json", style="dim")


def left_there(check: StepResult | None) -> str:
    """What a flight left on its host, if all is well with that; empty when it is told elsewhere."""
    if check is None or check.status is not Status.PASS:
        return ""
    return "nothing of ours" + (f"; {check.reason}" if check.reason else "")
