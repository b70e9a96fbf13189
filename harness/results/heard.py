"""A flight's directory that may still be written to: what is in it, and when it was heard of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.errors import UsageError
from harness.results.layout import FlightDirectory
from harness.results.load import load_results, recover_results
from harness.results.model import FlightResult

SILENCE = timedelta(minutes=30)
"""A flight that has not ended, and said nothing for so long, is taken for dead: building an image
is the longest thing that a flight does without a word."""


def read_result(path: Path) -> FlightResult:
    """The results in a flight's directory; of one that has not ended, what its events say, which
    is more: a step that runs is among them. `UsageError` when they cannot be read."""
    result = load_results(path)
    if result.ended is not None:
        return result
    try:
        return recover_results(path)
    except UsageError:
        return result


def heard_of(path: Path) -> datetime | None:
    """When the flight in a directory wrote down something last; None when that is not known."""
    try:
        seconds = FlightDirectory(path).events.stat().st_mtime
    except OSError:
        return None
    return datetime.fromtimestamp(seconds, UTC)
