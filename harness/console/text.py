"""Console bytes made readable: escapes out, carriage returns and backspaces carried out."""

from __future__ import annotations

import re

_UNSHOWN = r"""
    [\x00-\x07\x0a-\x0c\x0e-\x1f\x7f]                   # a class first: `re` skips to the next one
    (?: (?<!\x1b) [\x00-\x07\x0a-\x0c\x0e-\x1a\x1c-\x1f\x7f]+
      | (?<=\x1b) (?:
            \[ [0-?]* [\x20-/]* [@-~]                   # CSI: colours, cursor
          | \] [^\x07\x1b]* (?:\x07|\x1b\\|\Z)          # OSC: titles, systemd's context marks
          | [PX^_] [^\x1b]* (?:\x1b\\|\Z)               # DCS, SOS, PM, APC
          | \[? [0-?]* [\x20-/]* \Z                     # cut off at the end
          | [\x20-/]* [0-~]                             # two bytes, character sets
        )
    )?
"""
_DROPPED = re.compile(_UNSHOWN, re.VERBOSE)
TOKEN = re.compile(
    rf"""
    (?P<text>[^\x00-\x08\x0a-\x1f\x7f]+)
  | (?P<back>\r+|\x08+)
  | (?P<erase>\x1b\[0?K)                                # erase to the end of the line
  | (?P<unshown>{_UNSHOWN})
    """,
    re.VERBOSE,
)
"""What a line is made of; `clean_line` says what each does."""


def decode(data: bytes) -> str:
    """UTF-8, with bad bytes replaced."""
    return data.decode("utf-8", "replace")


def clean_line(line: str) -> str:
    """One line as a screen would show it in the end; *line* holds no line feed.

    A carriage return goes back to the first column and what follows overwrites, as with
    progress bars. Escape sequences and other control characters are dropped; tabs stay.
    """
    body = line.strip("\r\n")
    if body.isprintable():
        return body
    # To the first column, and erase: systemd does so before each line of its progress.
    body = body.rpartition("\r\x1b[K")[2]
    if "\r" not in body and "\b" not in body:
        # The cursor stays at the end, where there is nothing to overwrite or erase.
        return _DROPPED.sub("", body)
    shown: list[str] = []
    column = 0
    for token in TOKEN.finditer(body):
        text = token.group()
        if token.lastgroup == "text":
            shown[column : column + len(text)] = text
            column += len(text)
        elif token.lastgroup == "erase":
            del shown[column:]
        elif token.lastgroup == "back":
            column = 0 if text[0] == "\r" else max(0, column - len(text))
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
