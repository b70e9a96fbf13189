"""Files that a reader sees whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what *path* is to hold: a file beside it, which takes its place at the end.

    When the writer fails, *path* is as it was. What is there and is no ordinary file is never
    replaced: a device, a FIFO or a link, such as /dev/stdout, is itself what to write to. Every
    `OSError` names *path*.
    """
    beside: Path | None = None
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            yield path
            return
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        yield beside
        beside.replace(path)
        beside = None
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        if beside:
            beside.unlink(missing_ok=True)
