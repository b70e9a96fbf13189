"""Which store is meant: the user's own SQLite file, another one, PostgreSQL, or none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from harness.cache import content_key
from harness.errors import UsageError
from harness.home import expanded, user_directory
from harness.secret import Secret

VARIABLE = "XENFLIGHT_STORE"
NONE = "none"
_FORMS = "a file such as history.db, postgresql://USER@HOST/DATABASE, or none"


def data_root(environ: Mapping[str, str] = os.environ) -> Path:
    """``$XDG_DATA_HOME/xenflight``, by default ``~/.local/share/xenflight``; not made here."""
    return user_directory("XDG_DATA_HOME", ".local/share", environ)


@dataclass(frozen=True)
class StoreUrl:
    """Where a store is."""

    url: URL
    given: bool = True
    """Whether somebody named it; else it is the usual one."""

    @property
    def path(self) -> Path | None:
        """Its file; None when it is no file of ours."""
        is_file = self.url.get_backend_name() == "sqlite"
        return Path(self.url.database or "") if is_file else None

    @property
    def shown(self) -> str:
        """For people: without a password."""
        path = self.path
        return str(path) if path else self._public.render_as_string()

    @property
    def key(self) -> str:
        """A short name that is the same for the same store, whatever the password."""
        return content_key(self.shown)

    @property
    def secret(self) -> str:
        """Its password, wherever that stands in the URL; empty for none."""
        found = self.url.password or self.url.query.get("password", "")
        return found if isinstance(found, str) else " ".join(found)

    @property
    def _public(self) -> URL:
        url = self.url
        return URL.create(
            "postgresql",
            username=url.username,
            host=url.host,
            port=url.port,
            database=url.database,
            query={key: value for key, value in url.query.items() if key != "password"},
        )

    @property
    def spool(self) -> Path:
        """Where results wait that could not be written to it."""
        return data_root() / "spool" / self.key

    def sqlite_uri(self, mode: str) -> str:
        """The file's name for SQLite, with ``rw`` or ``rwc`` (make it if need be)."""
        return f"file:{quote(str(self.path))}?mode={mode}"


def usual_store(environ: Mapping[str, str] = os.environ) -> StoreUrl:
    """The user's own: a file in the directory for data."""
    return _file(data_root(environ) / "history.db", given=False)


def find_store(text: str | None = None, environ: Mapping[str, str] = os.environ) -> StoreUrl | None:
    """The store that *text* names, else ``$XENFLIGHT_STORE``, else the usual one.

    None for ``none``. `UsageError` for what names no store. A password may stand in the
    variable; on a command line everybody on the machine would read it, so there it is refused.
    """
    if text:
        found = _parse(text)
        if found and found.secret:
            msg = "a password on the command line is read by everybody on this machine"
            raise UsageError(msg, hint=f"put it into ~/.pgpass, or the URL into {VARIABLE}")
        return found
    if given := environ.get(VARIABLE, ""):
        return _parse(given)
    return usual_store(environ)


def _parse(text: str) -> StoreUrl | None:
    if text == NONE:
        return None
    if "://" not in text:
        return _file(Path(text))
    try:
        url = make_url(text)
    except ArgumentError as error:
        msg = "the URL of the store can't be read"
        raise UsageError(msg, hint=f"give {_FORMS}") from error
    match url.get_backend_name():
        case "sqlite" if url.database and not url.host and not url.query:
            return _file(Path(url.database))
        case "postgresql" if url.get_driver_name() in {"psycopg", "psycopg2"}:
            # The name without a driver means psycopg 2 to SQLAlchemy, and ours is 3.
            found = StoreUrl(url.set(drivername="postgresql+psycopg"))
            Secret(found.secret)
            return found
    msg = f"{url.drivername!r} is no kind of store that xenflight knows"
    raise UsageError(msg, hint=f"give {_FORMS}")


def _file(path: Path, *, given: bool = True) -> StoreUrl:
    absolute = Path(os.path.abspath(expanded(path)))  # noqa: PTH100  # the file need not exist
    return StoreUrl(URL.create("sqlite", database=str(absolute)), given)
