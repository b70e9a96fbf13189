"""How long work says how far it is; what is done with it is the caller's business."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with what is being done and, where it is known, how much of it (0 to 1)."""

    def __call__(self, text: str, fraction: float | None = None) -> None:
        """Say it."""
        ...


def silent(text: str, fraction: float | None = None) -> None:
    """Say nothing."""
    del text, fraction
