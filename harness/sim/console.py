"""A domain's console: what came on it and when, and the stream that `xl console` is."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable

from harness.console.fake import Chunk
from harness.sim.clock import Bell, SimClock

Typed = Callable[[bytes], Iterable[Chunk]]


class Console:
    """The ring between a guest and whoever reads it; nothing is lost before it is read."""

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock
        self._coming: list[tuple[float, int, bytes]] = []
        self._count = itertools.count()
        self._typed: Typed = lambda _: ()
        self._closed = False
        self._readers: list[Bell] = []

    def say(self, data: bytes, after: float = 0.0) -> None:
        """Let *data* come, so many seconds from now."""
        heapq.heappush(self._coming, (self._clock.monotonic() + after, next(self._count), data))
        self._tell()

    @property
    def closed(self) -> bool:
        """Whether its domain is gone: what came before may still be read."""
        return self._closed

    def close(self) -> None:
        """Its domain is gone."""
        self._closed = True
        self._tell()

    def listen(self, bell: Bell) -> None:
        """Have *bell* ring when it is known that something comes, until `leave`."""
        self._readers.append(bell)

    def leave(self, bell: Bell) -> None:
        """No more; harmless twice."""
        if bell in self._readers:
            self._readers.remove(bell)

    def on_input(self, typed: Typed) -> None:
        """From now on *typed* answers what is typed."""
        self._typed = typed

    def heir(self) -> Console:
        """The console that the guest has from now on: its domain is another."""
        found = Console(self._clock)
        found._coming, self._coming = self._coming, []
        found._typed = self._typed
        return found

    def type(self, data: bytes) -> None:
        """Somebody types *data*."""
        after = 0.0
        for delay, said in self._typed(data):
            after += delay
            self.say(said, after)

    def hush(self) -> None:
        """Nothing more comes: the guest is gone, or stands still."""
        now = self._clock.monotonic()
        self._coming = [one for one in self._coming if one[0] <= now]
        heapq.heapify(self._coming)

    def take(self) -> bytes:
        """All that has come by now."""
        parts = []
        while self._coming and self._coming[0][0] <= self._clock.monotonic():
            parts.append(heapq.heappop(self._coming)[2])
        return b"".join(parts)

    @property
    def next_at(self) -> float | None:
        """When something comes; None when nothing will, as far as is known."""
        return self._coming[0][0] if self._coming else None

    def _tell(self) -> None:
        for bell in self._readers:
            bell.ring()
