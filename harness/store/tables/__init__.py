"""The tables. Every child of a flight has the flight's number first in its key.

So all rows of a flight lie together, are written without asking the database for keys, and go
with it. SQLite keeps most of them in their key's order, without a table beside it.
"""

from __future__ import annotations

from harness.store.tables.base import Base
from harness.store.tables.flights import (
    ArtifactRow,
    FlightHostRow,
    FlightRow,
    ImageRow,
    ProblemRow,
)
from harness.store.tables.jobs import (
    AttemptRow,
    JobRow,
    PhaseRow,
    RevisionRow,
    RunvarRow,
    StepDetailRow,
    StepRow,
    of_attempt,
)
from harness.store.tables.lab import (
    HostEventRow,
    HostRow,
    HostStateRow,
    NoteRow,
    WaiverRow,
    WaiverUseRow,
)

CHILDREN: tuple[type[Base], ...] = (
    FlightHostRow,
    ImageRow,
    ProblemRow,
    JobRow,
    AttemptRow,
    StepRow,
    StepDetailRow,
    PhaseRow,
    RunvarRow,
    ArtifactRow,
    HostEventRow,
)
"""Rows that are a flight's own, and are written anew with it."""
SHARED: tuple[type[Base], ...] = (HostRow, HostStateRow, RevisionRow)
"""Rows that flights have in common; they never change."""

__all__ = [
    "CHILDREN",
    "SHARED",
    "ArtifactRow",
    "AttemptRow",
    "Base",
    "FlightHostRow",
    "FlightRow",
    "HostEventRow",
    "HostRow",
    "HostStateRow",
    "ImageRow",
    "JobRow",
    "NoteRow",
    "PhaseRow",
    "ProblemRow",
    "RevisionRow",
    "RunvarRow",
    "StepDetailRow",
    "StepRow",
    "WaiverRow",
    "WaiverUseRow",
    "of_attempt",
]
