"""How a host tells which guests were kept for their operators, and until when.

Times are seconds since the epoch by the host's own clock: all controllers see the same one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from harness.remote.command import Command, Runner
from harness.storage.names import TAG, tag_value

KEPT = f"{TAG}.kept"
"""Tag on the volumes of a guest that its operator asked to keep."""
_UNTIL = "kept-until"


def kept_tags(runner: Runner, keep_for: timedelta | None) -> tuple[str, ...]:
    """The tags for volumes that are kept from now on; without *keep_for* they have no end."""
    if keep_for is None:
        return (KEPT,)
    until = host_time(runner) + int(keep_for.total_seconds())
    return KEPT, f"{TAG}.{_UNTIL}={until}"


def all_kept_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Those of *tags* that say that a volume is kept, or until when."""
    return tuple(tag for tag in tags if tag == KEPT or tag.startswith(f"{TAG}.{_UNTIL}="))


def kept_until(tags: Iterable[str]) -> int | None:
    """When a kept volume's time is over; None when never, or when nobody can tell."""
    value = tag_value(tags, _UNTIL) or ""
    return int(value) if value.isascii() and value.isdigit() else None


def host_time(runner: Runner) -> int:
    """The host's time of day."""
    return int(runner.run(Command.of("date", "+%s")).stdout)
