"""Where expensive things are kept: outside the repository, keyed by content, safe to delete."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import DeadlineExceeded, LabError
from harness.home import user_directory
from harness.wait import Deadline, NotYet, wait_for

KEY_LENGTH = 16
_INTERVAL = timedelta(milliseconds=100)


def cache_root(environ: Mapping[str, str] = os.environ) -> Path:
    """``$XDG_CACHE_HOME/xenflight``, by default ``~/.cache/xenflight``; not made here."""
    return user_directory("XDG_CACHE_HOME", ".cache", environ)


def content_key(*parts: str | bytes) -> str:
    """A short name for exactly these contents; the border between two parts counts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:KEY_LENGTH]


class Busy(LabError):
    """A lock was held by somebody else for too long."""


@contextmanager
def exclusive(
    path: Path,
    *,
    what: str,
    timeout: timedelta = timedelta(minutes=30),
    waiting: Callable[[], None] | None = None,
) -> Iterator[None]:
    """Hold the lock file *path*: of several processes one works and the others wait.

    Threads of one process are told apart, too. The kernel drops the lock when its holder dies.
    *waiting* is called again and again while somebody else has it, and may raise to give up.
    `Busy`, which is a `LabError`, after *timeout*.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)

    def acquire() -> None:
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            if waiting:
                waiting()
            msg = "somebody else holds it"
            raise NotYet(msg) from error

    try:
        wait_for(acquire, what=str(path), deadline=Deadline.after(timeout), interval=_INTERVAL)
    except DeadlineExceeded as error:
        msg = f"another xenflight has been busy with {what} for more than {timeout} ({path})"
        raise Busy(msg, hint="is it hung? end it, then try again") from error
    try:
        yield
    finally:
        lock.release()
