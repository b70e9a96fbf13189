"""Making text that a guest wrote safe for the terminal and the browser of the operator.

A guest may write anything on its console: colours, cursor movements, a new window title,
text that runs backwards. `harness.console.text` shows a line as a screen would in the end;
here, whatever could still act on its reader is made visible instead.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

from harness.console import text as console_text

# Controls (C1 too, which some terminals obey), bidirectional and other invisible marks,
# surrogates, private and unassigned characters, Unicode's own line breaks.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_TAIL_BYTES = 16 * 1024


def clean(text: str) -> str:
    """*text* without terminal escapes and with every other unsafe character made visible."""
    lines = console_text.clean(text).split("\n")
    return "\n".join(visible(line.expandtabs()).rstrip() for line in lines)


def one_line(text: str) -> str:
    """The same on a single line, for a table or a headline."""
    return " ".join(clean(text).split())


def last_lines(text: str, count: int) -> list[str]:
    """The last *count* lines of cleaned *text*; blank ones before and after them do not count."""
    lines = clean(text).split("\n")
    while lines and not lines[-1]:
        lines.pop()
    lines = lines[-count:]
    while lines and not lines[0]:
        lines.pop(0)
    return lines


def tail_of(file: Path) -> str:
    """The end of a console log, enough for some dozen lines; empty when it cannot be read."""
    try:
        with file.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(0, size - _TAIL_BYTES))
            return log.read().decode("utf-8", "replace")
    except OSError:
        return ""


def visible(text: str) -> str:
    """*text*, without line feeds, with each character that could act on its reader replaced."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(char: str) -> str:
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in _UNSAFE else char
