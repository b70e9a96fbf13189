"""A pocket's InRelease file: fetched, and read for what the harness needs of it.

The format is Debian's repository format (wiki.debian.org/DebianRepository/Format). Its
signature is the business of `harness.mirror.signature`.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from harness.errors import LabError

FETCH_TIMEOUT = timedelta(seconds=30)


class NotOnMirror(LabError):
    """The mirror answers, and says that it has no such file."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """What an InRelease file says. Times are UTC."""

    suite: str
    codename: str
    origin: str
    date: datetime
    valid_until: datetime | None
    """None for a stable release's main pocket, which does not expire."""
    sizes: Mapping[str, int]
    """Size in bytes of each index, by its path below ``dists/<suite>/``."""
    hashes: Mapping[str, str]
    """The SHA-256 of each, in hexadecimal."""
    sha256: str
    """Of the whole InRelease file."""
    by_hash: bool = False
    """Whether each index is also there under its hash, where apt looks first: so that the old
    one and the new one can both be had while the mirror is synchronised."""


def fetch(
    url: str, *, method: str = "GET", timeout: timedelta = FETCH_TIMEOUT
) -> tuple[bytes, int]:
    """The body, and the length that the server says it has (a HEAD request has no body).

    `LabError` with the cause when the server cannot be reached or refuses.
    """
    request = urllib.request.Request(url, method=method, headers={"User-Agent": "xenflight"})
    try:
        with _opener(url).open(request, timeout=timeout.total_seconds()) as answer:
            body = answer.read()
            return body, int(answer.headers.get("Content-Length") or len(body))
    except urllib.error.HTTPError as error:
        error.close()
        msg = f"the mirror answers {error.code} {error.reason} for {url}"
        gone = error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
        raise (NotOnMirror if gone else LabError)(msg) from error
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        msg = f"cannot reach the mirror at {url}: {cause}"
        raise LabError(msg) from error


def _opener(url: str) -> urllib.request.OpenerDirector:
    """What asks; a proxy of the environment is not for this machine's own servers."""
    if urlsplit(url).hostname in ("127.0.0.1", "localhost"):
        return urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener()


def fetch_release(dists_url: str) -> Release:
    """Fetch and read ``<dists_url>/InRelease``, whoever signed it; `LabError` when that fails."""
    url = f"{dists_url}/InRelease"
    return parse_release(fetch(url)[0], url)


def parse_release(raw: bytes, url: str) -> Release:
    """Read an InRelease file; `LabError`, naming *url*, when it is something else."""
    fields, listed = _fields(raw.decode("utf-8", errors="replace"))
    if "Date" not in fields or not listed:
        # Captive portals and error pages come with status 200.
        msg = f"{url} is not a Release file: it has no Date or no SHA256 list"
        raise LabError(msg)
    until = fields.get("Valid-Until")
    return Release(
        suite=fields.get("Suite", ""),
        codename=fields.get("Codename", ""),
        origin=fields.get("Origin", ""),
        date=_time(fields["Date"], url),
        valid_until=_time(until, url) if until else None,
        sizes={path: size for path, (size, _) in listed.items()},
        hashes={path: digest for path, (_, digest) in listed.items()},
        sha256=hashlib.sha256(raw).hexdigest(),
        by_hash=fields.get("Acquire-By-Hash", "").lower() == "yes",
    )


def _fields(text: str) -> tuple[dict[str, str], dict[str, tuple[int, str]]]:
    """The one-line fields, and size and digest of each file in the SHA256 list."""
    fields: dict[str, str] = {}
    listed: dict[str, tuple[int, str]] = {}
    key = ""
    for line in text.splitlines():
        if line.startswith("-----BEGIN PGP SIGNATURE"):
            break
        if line.startswith(" "):
            words = line.split()
            if key == "SHA256" and len(words) == 3 and words[1].isdecimal():
                listed[words[2]] = int(words[1]), words[0]
            continue
        key, _, value = line.partition(":")
        fields[key] = value.strip()
    return fields, listed


def _time(text: str, url: str) -> datetime:
    try:
        found = parsedate_to_datetime(text.replace("UTC", "+0000"))
    except ValueError as error:
        msg = f"{url} holds the date {text!r}, which cannot be read"
        raise LabError(msg) from error
    return found.astimezone(UTC)
