"""Tables that fit their terminal: what matters less goes first when there is no room for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

GAP = 2


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column, with all its cells."""

    name: str
    cells: Sequence[Text]
    rank: int = 0
    """Those of the lowest ranks stay."""
    right: bool = False
    least: int | None = None
    """Of a column that may be cut short: so wide at least. None: whole or not at all."""

    @property
    def whole(self) -> int:
        """What its widest cell takes."""
        return max([cell_len(self.name), *(cell_len(cell.plain) for cell in self.cells)])

    @property
    def needed(self) -> int:
        """What it takes at least."""
        return self.whole if self.least is None else min(self.whole, self.least)


def fitted_table(columns: Sequence[Column], width: int) -> Table:
    """As many of *columns* as have room in *width* cells, by their rank; in the given order."""
    ranked = sorted(columns, key=lambda one: one.rank)
    widths: dict[str, int] = {}
    room = width + GAP
    for column in ranked:
        if not widths or column.needed + GAP <= room:
            widths[column.name] = column.needed
            room -= column.needed + GAP
    for column in ranked:
        if column.name in widths:
            more = max(0, min(column.whole - widths[column.name], room))
            widths[column.name] += more
            room -= more
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    picked = [column for column in columns if column.name in widths]
    for column in picked:
        table.add_column(
            column.name,
            no_wrap=True,
            overflow="ellipsis",
            justify="right" if column.right else "left",
            width=widths[column.name],
        )
    for cells in zip(*(column.cells for column in picked), strict=True):
        table.add_row(*cells)
    return table
