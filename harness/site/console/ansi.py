"""Colours of a console: ECMA-48's SGR, as terminals take it.

What a line says is what `harness.console.text.clean_line` makes of it, and is tested against that;
here each part of it keeps its colours. Nothing is hidden that a guest would hide: concealed text is
shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

from harness.console.text import TOKEN
from harness.report.evidence import visible

PALETTE = (
    (0x00, 0x00, 0x00),
    (0xCD, 0x00, 0x00),
    (0x00, 0xCD, 0x00),
    (0xCD, 0xCD, 0x00),
    (0x00, 0x00, 0xEE),
    (0xCD, 0x00, 0xCD),
    (0x00, 0xCD, 0xCD),
    (0xE5, 0xE5, 0xE5),
    (0x7F, 0x7F, 0x7F),
    (0xFF, 0x00, 0x00),
    (0x00, 0xFF, 0x00),
    (0xFF, 0xFF, 0x00),
    (0x5C, 0x5C, 0xFF),
    (0xFF, 0x00, 0xFF),
    (0x00, 0xFF, 0xFF),
    (0xFF, 0xFF, 0xFF),
)
"""xterm's sixteen colours. All others are shown as the nearest of them, which the style sheet makes
legible on light and dark ground."""
_SGR = re.compile(r"\x1b\[([0-9;:]*)m")
_MOST = 64
"""Parameters of one sequence that are looked at."""
_TAB = 8


class Style(NamedTuple):
    """How text is shown; colours are numbers of `PALETTE`."""

    front: int | None = None
    back: int | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    struck: bool = False
    inverse: bool = False


PLAIN = Style()


@cache
def classes_of(style: Style) -> str:
    """Its classes of the style sheet, with spaces between; empty for plain text. There are so few
    styles that each is worked out once."""
    found = [f"f{style.front}"] if style.front is not None else []
    found += [f"g{style.back}"] if style.back is not None else []
    words = {"bo": style.bold, "di": style.dim, "it": style.italic}
    words |= {"un": style.underline, "st": style.struck, "in": style.inverse}
    return " ".join([*found, *(word for word, on in words.items() if on)])


class Piece(NamedTuple):
    """A part of a line that looks the same all along; *classes* as `classes_of`."""

    text: str
    classes: str = ""


class Painter:
    """Takes the lines of a console one after the other: a colour lasts until another comes."""

    def __init__(self) -> None:
        self.style = PLAIN

    def paint(self, line: str) -> tuple[Piece, ...]:
        """One line, without its line feed, as a screen would show it in the end."""
        body = line.strip("\r\n")
        if body.isprintable():
            return (Piece(body, classes_of(self.style)),) if body else ()
        back = "\r" in body or "\b" in body
        return tuple(_shown(self._cells(body) if back else self._parts(body)))

    def _parts(self, body: str) -> Iterator[tuple[str, Style]]:
        """Where nothing is written over."""
        for token in TOKEN.finditer(body):
            if token.lastgroup == "text":
                yield token.group(), self.style
            elif token.lastgroup == "unshown":
                self._turn(token.group())

    def _cells(self, body: str) -> list[tuple[str, Style]]:
        """Character by character, each where it stands in the end."""
        cells: list[tuple[str, Style]] = []
        column = 0
        for token in TOKEN.finditer(body):
            text = token.group()
            match token.lastgroup:
                case "text":
                    cells[column : column + len(text)] = [(char, self.style) for char in text]
                    column += len(text)
                case "erase":
                    del cells[column:]
                case "back":
                    column = 0 if text[0] == "\r" else max(0, column - len(text))
                case _:
                    self._turn(text)
        return cells

    def _turn(self, sequence: str) -> None:
        match = _SGR.fullmatch(sequence)
        if match:
            self.style = turned(self.style, match[1])


def turned(style: Style, parameters: str) -> Style:
    """*style* after the SGR sequence with these *parameters*, such as ``1;31``."""
    numbers = iter([int(word[:6] or 0) for word in re.split("[;:]", parameters)][:_MOST])
    for number in numbers:
        if number in (38, 48):
            colour = _extended(numbers)
            if colour is not None and number == 38:
                style = style._replace(front=colour)
            elif colour is not None:
                style = style._replace(back=colour)
        else:
            style = _simple(style, number)
    return style


def _simple(style: Style, number: int) -> Style:
    if number == 0:
        return PLAIN
    if change := _WORDS.get(number):
        return style._replace(**change)
    tens, colour = divmod(number, 10)
    if colour < 8 and tens in (3, 9):
        return style._replace(front=colour + (8 if tens == 9 else 0))
    if colour < 8 and tens in (4, 10):
        return style._replace(back=colour + (8 if tens == 10 else 0))
    return style


_WORDS: dict[int, dict[str, Any]] = {
    1: {"bold": True},
    2: {"dim": True},
    3: {"italic": True},
    4: {"underline": True},
    7: {"inverse": True},
    9: {"struck": True},
    21: {"underline": True},
    22: {"bold": False, "dim": False},
    23: {"italic": False},
    24: {"underline": False},
    27: {"inverse": False},
    29: {"struck": False},
    39: {"front": None},
    49: {"back": None},
}


def _extended(numbers: Iterator[int]) -> int | None:
    """The colour after 38 or 48: ``5;N`` or ``2;R;G;B``."""
    match next(numbers, None):
        case 5:
            number = next(numbers, None)
            return None if number is None else _of_256(number)
        case 2:
            rgb = [next(numbers, 0) for _ in range(3)]
            return _nearest(rgb)
        case _:
            return None


def _of_256(number: int) -> int | None:
    """xterm's 256 colours: sixteen, a cube of 6×6×6, and greys."""
    if number < 16:
        return number
    if number < 232:
        levels = (0, 95, 135, 175, 215, 255)
        rest = number - 16
        return _nearest((levels[rest // 36], levels[rest // 6 % 6], levels[rest % 6]))
    return _nearest((8 + 10 * (number - 232),) * 3) if number < 256 else None


def _nearest(rgb: Sequence[int]) -> int:
    def distance(colour: int) -> int:
        return sum((a - b) ** 2 for a, b in zip(PALETTE[colour], rgb, strict=True))

    return min(range(len(PALETTE)), key=distance)


def _shown(parts: Iterator[tuple[str, Style]] | list[tuple[str, Style]]) -> Iterator[Piece]:
    """Neighbours of one style as one piece, tabs as spaces, nothing that acts on its reader."""
    column = 0
    for style, group in groupby(parts, key=lambda part: part[1]):
        text = "".join(text for text, _ in group)
        if "\t" in text:
            # A tab goes to a column, and what is before this piece counts.
            text = (" " * (column % _TAB) + text).expandtabs(_TAB)[column % _TAB :]
        column += len(text)
        yield Piece(visible(text), classes_of(style))
