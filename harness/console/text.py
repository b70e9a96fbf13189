"""Console bytes made readable: escapes out, carriage returns and backspaces carried out."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""
    (?P<erase>\x1b\[0?K)                                # erase to the end of the line
  | (?P<escape>
        \x1b\[ [0-?]* [\x20-/]* [@-~]                   # CSI: colours, cursor
      | \x1b\] [^\x07\x1b]* (?:\x07|\x1b\\|\Z)          # OSC: titles, systemd's context marks
      | \x1b[PX^_] [^\x1b]* (?:\x1b\\|\Z)               # DCS, SOS, PM, APC
      | \x1b\[? [0-?]* [\x20-/]* \Z                     # cut off at the end
      | \x1b [\x20-/]* [0-~]                            # two bytes, character sets
    )
  | (?P<control>[\x00-\x08\x0a-\x1f\x7f])
  | (?P<text>[^\x00-\x08\x0a-\x1f\x7f]+)
    """,
    re.VERBOSE,
)


def decode(data: bytes) -> str:
    """UTF-8, with bad bytes replaced."""
    return data.decode("utf-8", "replace")


def clean_line(line: str) -> str:
    """One line as a screen would show it in the end; *line* holds no line feed.

    A carriage return goes back to the first column and what follows overwrites, as with
    progress bars. Escape sequences and other control characters are dropped; tabs stay.
    """
    body = line.rstrip("\r\n")
    if body.isprintable():
        return body
    shown: list[str] = []
    column = 0
    for token in _TOKEN.finditer(body):
        text = token.group()
        if token.lastgroup == "text":
            shown[column : column + len(text)] = text
            column += len(text)
        elif token.lastgroup == "erase":
            del shown[column:]
        elif text == "\r":
            column = 0
        elif text == "\b":
            column = max(0, column - 1)
    return "".join(shown)


def clean(data: bytes | str) -> str:
    """Text for people: cleaned lines joined by line feeds."""
    text = decode(data) if isinstance(data, bytes) else data
    return "\n".join(clean_line(line) for line in text.split("\n"))


def lines_of(data: bytes | str) -> list[str]:
    """Cleaned lines; the end of the last line is not a line of its own."""
    found = clean(data).split("\n")
    if found[-1] == "":
        found.pop()
    return found


def last_lines(data: bytes | str, count: int) -> str:
    """The last *count* lines that say something, blank ones in between kept."""
    found = lines_of(data)
    while found and not found[-1].strip():
        found.pop()
    return "\n".join(found[-count:])
