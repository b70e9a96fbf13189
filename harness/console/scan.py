"""Lines out of a byte stream, each byte looked at a bounded number of times."""

from __future__ import annotations

from dataclasses import dataclass

from harness.console.sieve import Sieve
from harness.console.text import clean_line, decode

MAX_LINE = 4096
"""A longer line is cut, so that a console without line feeds costs no more than another."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One cleaned line; *position* is where it begins in console.log."""

    text: str
    position: int


class LineScanner:
    """Feed it bytes, take complete lines; `partial` is what stands after the last one.

    With a *sieve* it gives only the lines that pass it, and the last one that says anything.
    """

    def __init__(self, start: int = 0, sieve: Sieve | None = None) -> None:
        self.position = start
        """The position after the last byte fed."""
        self.examined = 0
        """Bytes looked at; tests hold it against what was fed."""
        self._sieve = sieve
        self._rest = b""

    def feed(self, data: bytes) -> list[Line]:
        """The lines that *data* completes."""
        pieces = self._pieces(data)
        if self._sieve is None:
            return [_line(position, raw) for position, raw in pieces]
        picked = self._sieve.pick(pieces)
        found = [Line(text=text, position=position) for position, text in picked]
        lines = (_line(position, raw) for position, raw in reversed(pieces) if raw.strip())
        last = next((line for line in lines if line.text.strip()), None)
        if last and (not found or found[-1].position < last.position):
            found.append(last)
        return found

    def _pieces(self, data: bytes) -> list[tuple[int, bytes]]:
        """What *data* completes, each with its position."""
        at = self.position - len(self._rest)
        self.position += len(data)
        data = self._rest + data
        self.examined += len(data)
        *whole, rest = data.split(b"\n")
        pieces = []
        for raw in whole:
            if len(raw) < MAX_LINE:
                pieces.append((at, raw))
            else:
                pieces += _cut(at, raw, len(raw) + 1)
            at += len(raw) + 1
        full = len(rest) // MAX_LINE * MAX_LINE
        self._rest = rest[full:]
        return pieces + _cut(at, rest, full)

    @property
    def partial(self) -> Line:
        """The unfinished line, such as a prompt; empty text if there is none."""
        return _line(self.position - len(self._rest), self._rest)


def _line(position: int, raw: bytes) -> Line:
    return Line(text=clean_line(decode(raw)), position=position)


def _cut(position: int, raw: bytes, end: int) -> list[tuple[int, bytes]]:
    """*raw* up to *end* in pieces of `MAX_LINE`."""
    return [(position + at, raw[at : at + MAX_LINE]) for at in range(0, end, MAX_LINE)]
