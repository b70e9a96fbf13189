"""What a database says when something is wrong, in words for people.

Whatever it is, it is a fault of our lab and never changes what became of a test.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from harness.errors import LabError
from harness.secret import mask
from harness.store.url import StoreUrl


class StoreError(LabError):
    """The store can't be used: nothing was written. *passing*: it may work when tried again."""

    def __init__(self, message: str, *, hint: str | None = None, passing: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.passing = passing


_DAMAGED_HINT = (
    "nothing was changed in it; move it away, then bring back what flights left on disk:"
    " xenflight db import reports/runs"
)
_SQLITE: dict[str, tuple[str, str | None, bool]] = {
    "SQLITE_BUSY": ("is locked by another program", "is one hung? then end it", True),
    "SQLITE_LOCKED": ("is locked by another program", "is one hung? then end it", True),
    "SQLITE_FULL": ("can't grow: the disk is full", "make room, or: xenflight db prune", False),
    "SQLITE_CORRUPT": ("is damaged", _DAMAGED_HINT, False),
    "SQLITE_NOTADB": ("is no database, or is damaged", _DAMAGED_HINT, False),
    "SQLITE_READONLY": ("may not be written to", "look at its owner and mode", False),
    "SQLITE_PERM": ("may not be written to", "look at its owner and mode", False),
    "SQLITE_CANTOPEN": ("can't be opened", "look at its directory's owner and mode", False),
    "SQLITE_IOERR": ("can't be read or written: the disk failed, or is full", None, False),
}
"""By SQLite's result codes, the extended ones by their beginning."""
_POSTGRES: dict[str, tuple[str, str | None, bool]] = {
    "08": ("went away", None, True),
    "28": ("did not let us in", "look at the user, ~/.pgpass and pg_hba.conf", False),
    "3D": ("has no such database", "createdb makes one", False),
    "40": ("had another writer in the way", None, True),
    "42501": ("does not let this user write", "its owner must grant that", False),
    "53100": ("can't grow: its disk is full", None, False),
    "53": ("is out of resources", None, True),
    "55P03": ("is locked by another program", None, True),
    "57014": ("took too long to answer", None, True),
    "57P": ("went away", None, True),
    "58": ("can't be read or written: its disk failed, or is full", None, False),
    "XX001": ("is damaged", "see the server's log", False),
    "XX002": ("is damaged", "see the server's log", False),
}
"""By SQLSTATE, or its class: PostgreSQL's documentation, appendix A."""


@contextmanager
def faults_told(url: StoreUrl) -> Iterator[None]:
    """Whatever goes wrong with the store inside is a `StoreError`."""
    try:
        yield
    except SQLAlchemyError as error:
        raise store_error(url, error) from error
    except sqlite3.Error as error:
        raise _sqlite_error(url, error) from error
    except OSError as error:
        msg = f"the store {url.shown} can't be used: {error.strerror or error}"
        raise StoreError(msg) from error


def store_error(url: StoreUrl, error: SQLAlchemyError) -> StoreError:
    """*error* in words for people."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(cause, sqlite3.Error):
        return _sqlite_error(url, cause)
    if isinstance(cause, psycopg.Error):
        return _postgres_error(url, cause)
    return _plain(url, error)


def _sqlite_error(url: StoreUrl, error: sqlite3.Error) -> StoreError:
    name = getattr(error, "sqlite_errorname", "")
    for code, (what, hint, passing) in _SQLITE.items():
        if name == code or name.startswith(f"{code}_"):
            return _told(url, what, hint, passing, error)
    return _plain(url, error)


def _postgres_error(url: StoreUrl, error: psycopg.Error) -> StoreError:
    state = error.sqlstate
    if state is None and isinstance(error, psycopg.OperationalError):
        return _told(url, "can't be reached", None, True, error)
    # The longest that fits: 53100 is a full disk, the rest of 53 is not.
    for code in sorted(_POSTGRES, key=len, reverse=True):
        if (state or "").startswith(code):
            what, hint, passing = _POSTGRES[code]
            return _told(url, what, hint, passing, error)
    return _plain(url, error)


def _told(
    url: StoreUrl, what: str, hint: str | None, passing: bool, error: Exception
) -> StoreError:
    said = mask(" ".join(str(error).split()))
    return StoreError(f"the store {url.shown} {what}: {said}", hint=hint, passing=passing)


def _plain(url: StoreUrl, error: Exception) -> StoreError:
    # The first line: SQLAlchemy goes on with the statement and its values.
    said = mask(str(error).strip().partition("\n")[0])
    return StoreError(f"the store {url.shown} failed: {type(error).__name__}: {said}")
