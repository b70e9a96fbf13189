"""Evidence as data: what is asked of a host, and what became of the asking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from harness.results.model import Record, Seconds, UtcTime, Words

INDEX = "index.json"
INDEX_VERSION = 1


class Outcome(StrEnum):
    """How the asking for one item ended. None of them is a fault of the job."""

    DONE = "done"
    """With exit status 0."""
    FAILED = "failed"
    """With another exit status, or what it said could not be written here."""
    HUNG = "hung"
    """It was ended when its time was over; what it had said is kept."""
    FLOODED = "flooded"
    """It was ended when it had said more than anyone reads."""
    LOST = "lost"
    """The host was lost meanwhile, or did not even begin it."""
    NOT_TAKEN = "not taken"
    """It was not asked for; the note says why."""


class Only(StrEnum):
    """When an item is asked for, if not each time."""

    HANG = "hang"
    """The guest does not answer, and did not say that it died."""
    REQUEST = "request"
    """The operator wants it."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing to ask a host for."""

    file: str
    """Name of the file that takes the answer."""
    script: str
    """POSIX shell, stdout and stderr. $1 is the domain's name, $2 the seconds since the flight
    began. It must not change anything but what the guest's console or Xen's says."""
    bound: timedelta = timedelta(seconds=10)
    """How long it may take on hardware."""
    kept: int = 512 << 10
    """Bytes: of a longer answer that many are kept, half from its head and half from its tail."""
    read: int = 32 << 20
    """Bytes: after that many it is ended."""
    only: Only | None = None
    packed: bool = False
    """Binary: the head goes to the file as it comes, up to *read* bytes, and nothing is masked."""


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """Why evidence is taken."""

    job: str
    testid: str
    status: str
    failure_class: str | None
    domain: str
    since: int
    """Seconds since the flight began."""


class Entry(Record):
    """One item in the index."""

    file: Words
    """Beside the index; there is none if nothing came."""
    asked: Words
    """The shell script, with the domain as $1 and the seconds since the flight began as $2."""
    outcome: Outcome
    exit_status: int | None = None
    """None: it did not end by itself."""
    bytes: int = 0
    """That came."""
    cut: int = 0
    """Bytes of them that are not in the file; it says so where they were."""
    seconds: Seconds = 0.0
    note: Words = ""


class Index(Record):
    """The whole of ``index.json``."""

    index_version: int = INDEX_VERSION
    job: Words
    testid: Words
    """The step that did not pass."""
    status: Words
    failure_class: Words | None = None
    domain: Words
    since: int
    """$2 of the scripts."""
    taken: UtcTime
    seconds: Seconds
    notes: tuple[Words, ...] = ()
    """What happened on the way, such as a lost connection."""
    items: tuple[Entry, ...] = Field(default=())

    @property
    def had(self) -> int:
        """How many items brought something."""
        return sum(entry.bytes > 0 for entry in self.items)

    @property
    def dead(self) -> bool:
        """Whether the host told nothing at all, and that was its own doing."""
        silent = (Outcome.HUNG, Outcome.LOST, Outcome.NOT_TAKEN)
        outcomes = [entry.outcome for entry in self.items]
        return bool(outcomes) and not self.had and all(one in silent for one in outcomes)
