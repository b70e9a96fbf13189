"""How statuses look on a terminal: always a word, and a colour where there are colours."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from harness.report.evidence import one_line
from harness.results.model import StepResult
from harness.results.rules import HARMLESS
from harness.status import Status, worst
from harness.units import human_seconds

STYLES: dict[Status, str] = {
    Status.PASS: "green",
    Status.FAIL: "bold red",
    Status.BROKEN: "bold magenta",
    Status.BLOCKED: "yellow",
    Status.STARVED: "cyan",
    Status.SKIP: "dim",
    Status.ABORTED: "bold yellow",
}

SIMULATED = "SIMULATED: no Xen and no guest was real, and this verdict counts for nothing"
"""Of a flight on a simulated host."""


def status_text(status: Status) -> Text:
    """The word in its colour."""
    return Text(str(status), style=STYLES[status])


def plain(text: str, style: str = "") -> Text:
    """Foreign text on one line, cut at the edge. Never markup: ``[red]`` stays ``[red]``."""
    return Text(one_line(text), style=style, no_wrap=True, overflow="ellipsis")


def job_word(statuses: Sequence[Status]) -> Status:
    """The word of a job whose steps so far ended like this."""
    return next((status for status in statuses if status not in HARMLESS), worst(statuses))


def step_line(step: StepResult) -> str:
    """``fail in 4.2 s: phase kernel, no-root: the reason``; what is not known is left out."""
    phase = f"phase {step.phase}" if step.phase else ""
    where = ", ".join(part for part in (phase, step.failure_class) if part)
    said = ": ".join(part for part in (where, step.reason) if part)
    line = f"{step.status} in {human_seconds(step.duration)}"
    return one_line(f"{line}: {said}" if said else line)
