"""What the store knows of a flight beside its results: where it belongs, and who wrote it."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from harness.errors import UsageError
from harness.results.belonging import ADHOC

_FLIGHT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@=-]{0,199}")
_FIRST_YEAR, _LAST_YEAR = 1970, 2200


class Origin(StrEnum):
    """Where a flight in the store came from."""

    RUN = "run"
    """Written as it flew."""
    RESULTS = "results"
    JUNIT = "junit"


@dataclass(frozen=True, kw_only=True)
class About:
    """Beside the results of one flight. Nothing here is part of what it found."""

    branch: str
    """The series of flights that it is compared with."""
    blessing: str = ADHOC
    """How far it is trusted: osstest's ``real``, ``adhoc``, ``play`` ..."""
    origin: Origin = Origin.RUN
    controller: str | None = None
    directory: str | None = None
    gate: str | None = None
    revisions: dict[str, str] = field(default_factory=dict)
    """What was under test, where the results do not say so."""


def flight_name(text: str) -> str:
    """*text*, if it can be the id of a flight; else `UsageError`."""
    if not _FLIGHT.fullmatch(text):
        msg = f"{text[:120]!r} can't be the id of a flight"
        raise UsageError(msg, hint="up to 200 letters, digits and any of _ . + @ = -")
    return text


def parse_time(text: str) -> datetime:
    """A time in ISO 8601, which is UTC unless it says otherwise; `UsageError` for anything else."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        msg = f"{text[:40]!r} is no time"
        raise UsageError(msg, hint="write it as 2026-11-22T11:44:12") from error
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        msg = f"nothing was tested in the year {time.year}"
        raise UsageError(msg)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


def this_controller() -> str:
    """This process, as the store calls it."""
    return f"{socket.gethostname()}:{os.getpid()}"


def as_envelope(about: About) -> dict[str, Any]:
    """For a file beside the results."""
    return {
        "branch": about.branch,
        "blessing": about.blessing,
        "origin": str(about.origin),
        "controller": about.controller,
        "directory": about.directory,
        "gate": about.gate,
        "revisions": about.revisions,
    }
