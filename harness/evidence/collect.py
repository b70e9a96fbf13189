"""Taking all of the evidence: one item after the other, each for itself, all within a bound.

Nothing here decides anything about a job. What goes wrong is written down in the index; only what
the operator wants (`KeyboardInterrupt`) comes through, with the index written before.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.evidence.link import Link
from harness.evidence.mask import Mask
from harness.evidence.model import INDEX, Entry, Index, Item, Occasion, Only, Outcome
from harness.evidence.take import Taker
from harness.results.recorder import to_json, write_atomically
from harness.wait import SYSTEM_CLOCK, Clock, Deadline

TOTAL = timedelta(seconds=90)
"""For all items together on hardware, but for those on request, which have their own."""
PATIENCE = timedelta(seconds=10)
"""For a host to say that it is there, on hardware."""


class Collector:
    """Takes evidence once. *factor* stretches every bound, as everywhere on that host."""

    def __init__(
        self,
        link: Link,
        occasion: Occasion,
        directory: Path,
        mask: Mask,
        *,
        factor: float = 1.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._link = link
        self._occasion = occasion
        self._directory = directory
        self._mask = mask
        self._factor = max(1.0, factor)
        self._clock = clock
        self._taker = Taker(occasion, directory, mask)
        self._entries: list[Entry] = []

    def collect(self, items: Iterable[Item]) -> Index:
        """Take *items*, in that order, and write the index. `OSError` when that can't be."""
        taken = datetime.now(UTC)
        began = self._clock.monotonic()
        total = Deadline.after(TOTAL * self._factor, self._clock)
        left = list(items)
        self._directory.mkdir(parents=True, exist_ok=True)
        try:
            while left:
                self._entries.append(self._take(left[0], total))
                del left[0]
        finally:
            self._link.close()
            self._entries += [_not_taken(item, "interrupted") for item in left]
            index = self._index(taken, self._clock.monotonic() - began)
            try:
                write_atomically(self._directory / INDEX, to_json(index, indent=2) + "\n")
            except OSError:
                # An interrupt is on its way: nothing else may come instead.
                if not left:
                    raise
        return index

    def _take(self, item: Item, total: Deadline) -> Entry:
        entry = _not_taken(item, "the host does not answer")
        while (runner := self._link.runner()) is not None:
            if item.only is Only.REQUEST:
                deadline = Deadline.after(item.bound * self._factor, self._clock)
            elif total.expired:
                return _not_taken(item, "no time was left")
            else:
                deadline = total.sooner(item.bound * self._factor)
            entry = self._taker.take(item, runner, deadline)
            if entry.exit_status is not None or self._link.still_answers():
                return entry
        return entry

    def _index(self, taken: datetime, seconds: float) -> Index:
        occasion = self._occasion
        return Index(
            job=occasion.job,
            testid=occasion.testid,
            status=occasion.status,
            failure_class=occasion.failure_class,
            domain=occasion.domain,
            since=occasion.since,
            taken=taken,
            seconds=round(seconds, 2),
            notes=tuple(self._mask.text(note) for note in self._link.notes),
            items=tuple(self._entries),
        )


def _not_taken(item: Item, why: str) -> Entry:
    return Entry(file=item.file, asked=item.script.strip(), outcome=Outcome.NOT_TAKEN, note=why)
