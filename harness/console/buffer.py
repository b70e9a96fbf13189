"""What the console said, in memory: bytes by position, and when each came."""

from __future__ import annotations

import threading
from bisect import bisect_right

MEMORY_CAP = 8 << 20
"""Bytes of one console kept in memory; what is older is read from the file again."""

_MOMENTS_CAP = 1 << 16


class ConsoleBuffer:
    """The newest part of a console's output. One thread appends, any number read.

    A *position* counts bytes since the console was first opened: the offset in console.log.
    """

    def __init__(self, cap: int = MEMORY_CAP) -> None:
        self._cap = cap
        self._data = bytearray()
        self._first = 0
        self._positions: list[int] = []
        self._times: list[float] = []
        self._changed = threading.Condition()
        self._ended = False

    @property
    def first(self) -> int:
        """The position of the oldest byte still in memory."""
        return self._first

    @property
    def end(self) -> int:
        """The position that the next byte will have."""
        with self._changed:
            return self._first + len(self._data)

    @property
    def ended(self) -> bool:
        """Whether no more will come."""
        return self._ended

    @property
    def last_time(self) -> float | None:
        """When data last came; None if none ever did."""
        with self._changed:
            return self._times[-1] if self._times else None

    def append(self, data: bytes, at: float) -> None:
        """Add *data*, received at clock reading *at*, and wake whoever waits."""
        with self._changed:
            self._positions.append(self._first + len(self._data))
            self._times.append(at)
            self._data += data
            # Half at once, so that the cost of forgetting stays small on average.
            if len(self._data) > self._cap:
                drop = len(self._data) - self._cap // 2
                del self._data[:drop]
                self._first += drop
            if len(self._times) > _MOMENTS_CAP:
                del self._positions[: _MOMENTS_CAP // 2]
                del self._times[: _MOMENTS_CAP // 2]
            self._changed.notify_all()

    def finish(self) -> None:
        """No more will come, unless `reopen` is called."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def reopen(self) -> None:
        """More may come again."""
        with self._changed:
            self._ended = False

    def wait(self, position: int, timeout: float) -> bool:
        """Whether the byte at *position* has come, waiting up to *timeout* seconds for it."""
        with self._changed:
            self._changed.wait_for(lambda: self._has(position) or self._ended, timeout)
            return self._has(position)

    def read(self, position: int, size: int) -> bytes | None:
        """Up to *size* bytes from *position*; None if they are no longer in memory."""
        with self._changed:
            offset = position - self._first
            return None if offset < 0 else bytes(self._data[offset : offset + size])

    def time_at(self, position: int) -> float | None:
        """When the byte at *position* came; the oldest moment known if it is too long ago."""
        with self._changed:
            if not self._times:
                return None
            return self._times[max(0, bisect_right(self._positions, position) - 1)]

    def _has(self, position: int) -> bool:
        return position < self._first + len(self._data)
