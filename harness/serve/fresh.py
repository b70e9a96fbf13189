"""The site as it is now: what changed is read again, what did not is not."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from harness.serve.looks import Look
from harness.site.pages.kit import Output
from harness.site.site import Site
from harness.wait import SYSTEM_CLOCK, Clock

KEPT_SECONDS = 1.0
"""A site is as fresh as that: a page and its parts come out of one look."""
_CONSOLES = 4


class Consoles:
    """The last consoles that somebody looked at: the parts of a large one are asked for one by one,
    and all are made of one reading. For several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: OrderedDict[object, tuple[Output, ...]] = OrderedDict()

    def get(self, key: object, make: Callable[[], Iterator[Output]]) -> tuple[Output, ...]:
        """What *make* made for *key*."""
        with self._lock:
            if key not in self._made:
                self._made[key] = tuple(make())
                while len(self._made) > _CONSOLES:
                    self._made.popitem(last=False)
            self._made.move_to_end(key)
            return self._made[key]


class FreshSite:
    """Sites of all flights that are found by *look*. For several threads."""

    def __init__(self, look: Look, *, evidence: bool = False, clock: Clock = SYSTEM_CLOCK) -> None:
        self._look = look
        self._evidence = evidence
        self._clock = clock
        self._lock = threading.Lock()
        self._consoles = Consoles()
        self._site: Site | None = None
        self._looked = 0.0

    def get(self) -> Site:
        """The site, no older than `KEPT_SECONDS`."""
        with self._lock:
            now = self._clock.monotonic()
            if self._site is None or now - self._looked > KEPT_SECONDS:
                self._site, self._looked = self._made(), now
            return self._site

    def _made(self) -> Site:
        moment = datetime.now(UTC)
        archive, unread = self._look(moment)
        return Site(
            archive,
            (head.flight for head in archive.heads()),
            made=moment,
            evidence=self._evidence,
            live=True,
            unread=unread,
            consoles=self._consoles.get,
        )
