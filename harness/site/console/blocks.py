"""A console in blocks of lines: the first ones stand in the page, the others are loaded when
somebody looks at them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from markupsafe import Markup, escape

from harness.console.verdicts import find_sign
from harness.report.evidence import visible
from harness.site.console.ansi import Painter, Piece
from harness.site.console.marks import Mark
from harness.site.console.recording import Gap, Item, Remark, TimedLine
from harness.units import human_size

LINES = 1000
"""Lines of a block."""
IN_PAGE = 4
"""Blocks that stand in the page itself."""
_MOST_SIGNS = 100


class Line(NamedTuple):
    """One line to show."""

    number: int
    """From 1."""
    time: float | None
    pieces: tuple[Piece, ...]
    sign: str
    """The class of the failure that it betrays; empty for none."""


class Note(NamedTuple):
    """Something that is no line of the console."""

    text: str


Row = Line | Note | Mark


class Sign(NamedTuple):
    """A line that betrays a failure."""

    number: int
    time: float | None
    failure: str


@dataclass(kw_only=True)
class Block:
    """Some rows, one after the other."""

    number: int
    """From 0."""
    first: int
    """The number of its first line."""
    rows: list[Row] = field(default_factory=list)
    lines: int = 0
    start: float | None = None
    """Seconds, of the first line whose time is known."""

    @property
    def in_page(self) -> bool:
        """Whether it stands in the page."""
        return self.number < IN_PAGE

    @property
    def marks(self) -> str:
        """The ids of the marks in it, with spaces between."""
        return " ".join(row.id for row in self.rows if isinstance(row, Mark))


class Blocks:
    """Iterate over it once; then `signs`, `lines` and `placed` are known, too."""

    def __init__(self, items: Iterable[Item], marks: Sequence[Mark] = ()) -> None:
        self._items = items
        self._marks = list(marks)[::-1]
        self._painter = Painter()
        self.lines = 0
        self.signs: list[Sign] = []
        self.seconds = 0.0
        """The time of the last line."""

    def __iter__(self) -> Iterator[Block]:
        block = Block(number=0, first=1)
        for item in self._items:
            if block.lines >= LINES:
                yield block
                block = Block(number=block.number + 1, first=self.lines + 1)
            self._put(block, item)
        block.rows += self._marks[::-1]
        yield block

    def _put(self, block: Block, item: Item) -> None:
        match item:
            case TimedLine(text, time):
                block.rows += self._due(time)
                block.rows.append(self._line(text, time))
                block.lines += 1
                if block.start is None:
                    block.start = time
            case Gap(size):
                text = f"{human_size(size)} of the recording are left out here; the files have all"
                block.rows.append(Note(text))
            case Remark(text, time):
                block.rows += self._due(time)
                block.rows.append(Note(visible(text)))

    def _due(self, time: float | None) -> Iterator[Mark]:
        """The marks that come before a line of that *time*."""
        while time is not None and self._marks and self._marks[-1].time <= time:
            yield self._marks.pop()

    def _line(self, text: str, time: float | None) -> Line:
        self.lines += 1
        self.seconds = max(self.seconds, time or 0.0)
        pieces = self._painter.paint(text)
        sign = find_sign("".join(piece.text for piece in pieces))
        failure = sign.failure.name if sign else ""
        if failure and len(self.signs) < _MOST_SIGNS:
            self.signs.append(Sign(self.lines, time, failure))
        return Line(self.lines, time, pieces, failure)


def block_html(block: Block) -> Markup:
    """The rows of a block as HTML. All text of the guest is escaped here, and nowhere else."""
    return Markup("\n".join(map(_row_html, block.rows)))


def _row_html(row: Row) -> str:
    match row:
        case Line(number, time, pieces, sign):
            text = "".join(map(_piece_html, pieces))
            kind = f' class="bad" title="{escape(sign)}"' if sign else ""
            return f'<p id="L{number}" data-t="{_at(time)}"{kind}>{text}</p>'
        case Mark():
            label = f"{escape(row.label)} <span>{_seconds(row)}</span>"
            return f'<h2 id="{escape(row.id)}" class="{_classes(row)}">{label}</h2>'
        case Note(text):
            return f'<p class="note">{escape(text)}</p>'


def _piece_html(piece: Piece) -> str:
    text = escape(piece.text)
    return f'<span class="{piece.classes}">{text}</span>' if piece.classes else text


def block_script(block: Block) -> str:
    """The same as a script that hands over the rows as data; pure ASCII."""
    rows = json.dumps([_row_data(row) for row in block.rows], separators=(",", ":"))
    return f"xenflightBlock({block.number},{rows});\n"


def _row_data(row: Row) -> list[object]:
    match row:
        case Line(number, time, pieces, sign):
            parts = [list(piece) if piece.classes else piece.text for piece in pieces]
            return [number, _at(time), sign, *parts]
        case Mark():
            return ["mark", row.id, _classes(row), row.label, _seconds(row)]
        case Note(text):
            return ["note", text]


def _at(time: float | None) -> str:
    return "" if time is None else f"{time:.2f}"


def _classes(mark: Mark) -> str:
    return f"mark {'phase' if mark.phase else 'step'} s-{mark.status}"


def _seconds(mark: Mark) -> str:
    """Before the recording began it says so: with a minus."""
    return f"{mark.time:.1f} s".replace("-", "\N{MINUS SIGN}")
