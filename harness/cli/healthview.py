"""A host's health in words and as JSON. Imported when it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.host.health import EventKind, Health, HealthEvent
from harness.units import human_seconds

_DAY = 86_400


def short(health: Health) -> str:
    """For a table: what the last canary said; a dash where there was none."""
    return health.canary.verdict if health.canary else "-"


def told(name: str, health: Health) -> Iterator[str]:
    """A line for each thing that is known of the host called *name*."""
    for event in (health.canary, health.broken, health.power):
        if event:
            yield f"{name}, {_WHAT[event.kind]}{_when(event)}: {_words(event)}"


def to_dict(health: Health) -> dict[str, Any]:
    """For JSON: null for what never was."""
    return {
        kind.value: _plain(event) if (event := getattr(health, kind.value)) else None
        for kind in EventKind
    }


_WHAT = {
    EventKind.CANARY: "last canary",
    EventKind.BROKEN: "last broken job",
    EventKind.POWER: "last power cycle",
}


def _when(event: HealthEvent) -> str:
    return f" at {event.at.astimezone():%Y-%m-%d %H:%M}" if event.at else ""


def _words(event: HealthEvent) -> str:
    match event.kind:
        case EventKind.CANARY:
            took = human_seconds(event.seconds)
            return f"{event.verdict} in {took} ({event.job}, by {event.by}): {event.reason}"
        case EventKind.BROKEN:
            return f"{event.job} of flight {event.flight}, by {event.by}: {event.reason}"
        case EventKind.POWER:
            return f"{event.reason}, by {event.by}"


def _plain(event: HealthEvent) -> dict[str, Any]:
    found: dict[str, Any] = {
        "at": event.at and event.at.isoformat(),
        "by": event.by,
        "reason": event.reason,
    }
    if event.kind is EventKind.CANARY:
        found |= {"verdict": event.verdict, "seconds": event.seconds, "job": event.job}
    if event.kind is EventKind.BROKEN:
        found |= {"flight": event.flight, "job": event.job}
    return found
