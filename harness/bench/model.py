"""What a benchmark found, against what was to be reached."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Better(StrEnum):
    """Which side of the goal is good."""

    HIGHER = "at least"
    LOWER = "at most"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One number and its goal. *details* are the times it was made of, for people."""

    name: str
    value: float
    unit: str
    goal: float
    better: Better
    details: str

    @property
    def reached(self) -> bool:
        """Whether the goal was reached."""
        if self.better is Better.HIGHER:
            return self.value >= self.goal
        return self.value <= self.goal
