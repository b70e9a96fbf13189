"""The files that are to be checked, as text."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from harness.errors import Place, UsageError

STDIN = "-"
MOST = 1 << 20
"""Bytes of all files together; a grub.cfg has some ten thousand."""


def read_all(paths: Iterable[Path], stdin: BinaryIO | None = None) -> dict[str, str]:
    """File -> text; bad bytes are replaced. ``-`` is standard input.

    `UsageError` for what cannot be read, is no ordinary file, or is too big to be a menu.
    """
    texts: dict[str, str] = {}
    left = MOST
    for path in paths:
        name = str(path)
        if name in texts:
            continue
        content = _content(path, left + 1, stdin or sys.stdin.buffer)
        left -= len(content)
        if left < 0:
            msg = f"this is no configuration of GRUB: with it there are more than {MOST} bytes"
            raise UsageError(msg, place=Place(file=name))
        texts[name] = content.decode("utf-8", "replace")
    return texts


def _content(path: Path, most: int, stdin: BinaryIO) -> bytes:
    if str(path) == STDIN:
        return stdin.read(most)
    try:
        if not path.is_file():
            msg = "this is no ordinary file" if path.exists() else "there is no such file"
            raise UsageError(msg, place=Place(file=str(path)))
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        msg = f"it cannot be read: {error.strerror}"
        raise UsageError(msg, place=Place(file=str(path))) from error
