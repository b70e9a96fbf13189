"""flock(1) on a simulated host."""

from __future__ import annotations


class Locks:
    """Who holds which lock. Holders are told apart by what they are, not by what they say."""

    def __init__(self) -> None:
        self.held: dict[str, object] = {}
        """By path."""

    def take(self, path: str, holder: object) -> bool:
        """Whether *holder* has it now."""
        return self.held.setdefault(path, holder) is holder

    def free(self, path: str) -> bool:
        """Whether nobody has it."""
        return path not in self.held

    def drop(self, holder: object) -> None:
        """*holder* is gone."""
        self.held = {path: one for path, one in self.held.items() if one is not holder}

    def clear(self) -> None:
        """All are gone."""
        self.held.clear()
