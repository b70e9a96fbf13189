"""What the site asks of the flights that there were, and the records it gets.

`Archive` is the whole of it. `directories.DirectoryArchive` answers it from the directories that
flights leave, `stored.StoreArchive` from a store. Of all methods that give several things the
newest comes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from harness.gate.verdict import VerdictFile
from harness.results.model import FlightResult
from harness.results.runs import Run
from harness.status import Status


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """What is known of a flight without looking at its steps."""

    flight: str
    name: str
    branch: str
    status: Status
    started: datetime
    ended: datetime | None
    duration: float
    jobs: Mapping[str, Status]
    """In the order of the flight."""
    hosts: tuple[str, ...] = ()
    problems: int = 0
    gate_open: bool | None = None
    """None: it was never asked."""
    heard: datetime | None = None
    """Of one that has not ended: when it last said anything."""
    running: bool = False
    """Whether it has not ended, and said something a short while ago."""


class Archive(Protocol):
    """The flights that there were."""

    def heads(self) -> Sequence[Head]:
        """All flights."""

    def result(self, flight: str) -> FlightResult:
        """All that is known of one; `UsageError` when it cannot be read, or there is none."""

    def runs(self, branch: str, job: str) -> Sequence[Run]:
        """The runs of *job* on *branch*."""

    def runs_on(self, host: str) -> Sequence[Run]:
        """The runs of all jobs on *host*, on all branches; their steps may be left out."""

    def verdict(self, flight: str) -> VerdictFile | None:
        """What the gate said of it; None when it was never asked."""

    def directory(self, flight: str) -> Path | None:
        """Where its consoles and other files are; None when they are gone."""
