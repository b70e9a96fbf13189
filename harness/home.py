"""The user's own directories, and names that begin with ``~``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.errors import LabError, Place, UsageError


def user_directory(variable: str, usual: str, environ: Mapping[str, str]) -> Path:
    """``$variable/xenflight``, or what is *usual* below the home directory; not made here.

    `LabError` where neither is known, as in a container without users.
    """
    base = environ.get(variable, "")
    # The XDG base directory rules say that a relative path there is to be ignored.
    if base.startswith("/"):
        return Path(base) / "xenflight"
    try:
        return Path.home() / usual / "xenflight"
    except RuntimeError as error:
        msg = "this user has no home directory"
        raise LabError(msg, hint=f"set HOME or {variable}") from error


def expanded(path: str | Path, *, place: Place | None = None) -> Path:
    """*path* with ``~`` or ``~somebody`` replaced; `UsageError` when there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        msg = f"{str(path)!r}: there is no such user, or the home directory is not known"
        raise UsageError(msg, place=place) from error
