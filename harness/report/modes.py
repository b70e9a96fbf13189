"""The machines of a flight's guests as tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.evidence import visible
from harness.report.modetable import PHASES, ModesTable


def modes_text(table: ModesTable) -> str:
    """What each guest saw, and how long its boot took, phase by phase."""
    head = ("", *(column.mode.value for column in table.columns))
    times = [(phase, _times(table, phase)) for phase in PHASES]
    boots = [(phase, *map(_seconds, took)) for phase, took in times if any(took)]
    boots.append(("boot, all of it", *(_seconds(column.boot) for column in table.columns)))
    names = [f"- {column.mode}: `{column.job}`" for column in table.columns]
    seen = [(what, *values) for what, values in table.rows]
    return "\n\n".join(["\n".join(names), _table(head, seen), _table(head, boots)]) + "\n"


def _times(table: ModesTable, phase: str) -> list[float]:
    return [dict(column.phases).get(phase, 0.0) for column in table.columns]


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds else "–"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    """A guest's words are data: they end no cell and no line."""
    return visible(text.replace("\n", " ")).replace("|", "\\|")
