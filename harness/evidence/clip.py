"""Keeping both ends of an answer of any length, in memory of a fixed size."""

from __future__ import annotations


class Clip:
    """The head and the tail of what is added: together no more than *kept* bytes."""

    def __init__(self, kept: int) -> None:
        self._half = max(1, kept // 2)
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0
        """Bytes that were added."""

    def add(self, data: bytes) -> None:
        """More of it."""
        self.total += len(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        # Twice as long before it is cut: what is moved is then in proportion to what came.
        if len(self._tail) > 2 * self._half:
            del self._tail[: -self._half]

    @property
    def head(self) -> bytes:
        """All of it while nothing is cut, else its beginning."""
        return bytes(self._head) if self.cut else bytes(self._head + self._tail)

    @property
    def tail(self) -> bytes:
        """Its end; empty while nothing is cut."""
        return bytes(self._tail[-self._half :]) if self.cut else b""

    @property
    def cut(self) -> int:
        """Bytes between head and tail that are gone."""
        return max(0, self.total - 2 * self._half)
