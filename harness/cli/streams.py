"""Standard output and error where they cannot be written to: closed, left by their reader, full."""

from __future__ import annotations

import errno
import os
import sys
from io import TextIOWrapper
from typing import TextIO

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""No more can be written, whatever the program does."""

REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EIO})
"""The machine does not let us, or cannot: whoever looks after it has to be told what."""


def stand_in() -> None:
    """Give the streams that whoever started us has closed (``>&-``) a place to go to: nowhere.

    Python has None for them. Their numbers must be taken too, or the next file would get one.
    A character that the user's terminal has no code for is written as an escape.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            lowest = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(lowest, "r+", encoding="utf-8"))
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def drop(stream: TextIO) -> None:
    """What is still to be written to it goes nowhere: Python's flush at exit can't complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
