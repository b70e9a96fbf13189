"""Getting at a file that a flight names: here, or on a web server. Checked before it is used."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import IO, BinaryIO

from harness.errors import LabError
from harness.progress import Progress
from harness.units import human_size
from harness.wait import Deadline

TIMEOUT = timedelta(minutes=30)
"""For a whole download."""
SILENCE = timedelta(seconds=60)
"""How long a server may say nothing."""
_BLOCK = 16 << 20
_RESERVE = 256 << 20
"""Bytes that a download leaves free on the disk."""


def checksum(path: Path, progress: Progress) -> str:
    """The SHA-256 of a file, in hexadecimal digits. `LabError` when it cannot be read."""
    digest = hashlib.sha256()
    try:
        total = path.stat().st_size
        with path.open("rb") as file:
            done = 0
            while block := file.read(_BLOCK):
                digest.update(block)
                done += len(block)
                progress("checking the image", done / total if total else None)
    except OSError as error:
        msg = f"cannot read the image {path}: {error.strerror}"
        raise LabError(msg) from error
    return digest.hexdigest()


def check_sum(found: str, wanted: str, what: str, size: int) -> None:
    """`LabError`, with both sums, when a file is not the one that was meant."""
    if wanted and found.lower() != wanted.lower():
        msg = (
            f"{what} is not the image that was meant: its SHA-256 is {found}, not {wanted.lower()}"
        )
        hint = f"it has {size} bytes: was it cut short, or changed since the flight was written?"
        raise LabError(msg, hint=hint)


def download(url: str, target: Path, progress: Progress) -> str:
    """Fetch *url* into *target*, and return the SHA-256 of what came.

    `LabError` when the server does not answer, refuses, or ends too early; it is not resumed.
    """
    deadline = Deadline.after(TIMEOUT)
    try:
        with (
            urllib.request.urlopen(url, timeout=SILENCE.total_seconds()) as answer,
            target.open("wb") as file,
        ):
            total = int(answer.headers.get("Content-Length") or 0)
            _check_room(url, target, total)
            return _copy(url, answer, file, total, deadline, progress)
    except urllib.error.HTTPError as error:
        msg = f"cannot fetch {url}: the server said {error.code} {error.reason}"
        raise LabError(msg) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        msg = f"cannot fetch {url}: {reason or type(error).__name__}"
        raise LabError(msg) from error


def _check_room(url: str, target: Path, total: int) -> None:
    free = shutil.disk_usage(target.parent).free - _RESERVE
    if total > free:
        msg = f"no room for {url}: it has {human_size(total)}"
        raise LabError(msg, hint=f"make room in {target.parent}")


def _copy(
    url: str,
    answer: IO[bytes],
    file: BinaryIO,
    total: int,
    deadline: Deadline,
    progress: Progress,
) -> str:
    digest, done = hashlib.sha256(), 0
    while block := answer.read(_BLOCK):
        if deadline.expired:
            minutes = TIMEOUT.total_seconds() / 60
            msg = f"{url} did not come within {minutes:g} minutes: {human_size(done)} did"
            raise LabError(msg)
        digest.update(block)
        file.write(block)
        done += len(block)
        share = done / total if total else None
        progress(f"downloading the image: {human_size(done)}", share)
    if total and done != total:
        msg = f"{url} broke off after {done} of {total} bytes"
        raise LabError(msg)
    return digest.hexdigest()
