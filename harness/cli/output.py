"""Where text goes: colour only on a terminal, never cut short in a pipe."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console

_WIDE = 240


def output() -> Console:
    """For what was asked for: standard output."""
    return _console(sys.stdout)


def errors() -> Console:
    """For everything else: standard error."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    # Rich takes 80 columns where there is no terminal, and would cut job names for grep.
    width = None if stream.isatty() else _WIDE
    return Console(file=stream, highlight=False, width=width)
