"""Lines out of a byte stream, each byte looked at a bounded number of times."""

from __future__ import annotations

from dataclasses import dataclass

from harness.console.text import clean_line, decode

MAX_LINE = 4096
"""A longer line is cut, so that a console without line feeds costs no more than another."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One cleaned line; *position* is where it begins in console.log."""

    text: str
    position: int


class LineScanner:
    """Feed it bytes, take complete lines; `partial` is what stands after the last one."""

    def __init__(self, start: int = 0) -> None:
        self.position = start
        """The position after the last byte fed."""
        self.examined = 0
        """Bytes looked at; tests hold it against what was fed."""
        self._rest = b""

    def feed(self, data: bytes) -> list[Line]:
        """The lines that *data* completes."""
        begin = self.position - len(self._rest)
        self.position += len(data)
        data = self._rest + data
        self.examined += len(data)
        found = []
        done = 0
        while len(data) > done:
            end = data.find(b"\n", done, done + MAX_LINE) + 1 or done + MAX_LINE
            if end > len(data):
                break
            text = clean_line(decode(data[done:end]))
            found.append(Line(text=text, position=begin + done))
            done = end
        self._rest = data[done:]
        return found

    @property
    def partial(self) -> Line:
        """The unfinished line, such as a prompt; empty text if there is none."""
        text = clean_line(decode(self._rest))
        return Line(text=text, position=self.position - len(self._rest))
