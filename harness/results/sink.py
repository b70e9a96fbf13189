"""Who else hears of a flight's events, beside the files of its directory."""

from __future__ import annotations

from typing import Protocol

from harness.results.events import Event


class EventSink(Protocol):
    """Hears each event once it is written down, in order.

    A flight is never held up, nor its verdict changed, by who listens to it: `took` returns at
    once and never raises.
    """

    def took(self, event: Event) -> None:
        """It happened."""
        ...


class NoSink:
    """Hears nothing."""

    def took(self, event: Event) -> None:
        """Forget it."""
        del event
