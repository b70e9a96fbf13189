"""Two hosts that talk to each other by way of the controller.

Neither has to reach the other, nor to trust it: no key, no port, no line in anybody's
``authorized_keys``, and nothing that could stay behind. What a command on one host says is what a
command on the other hears; when either ends, so does the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

from harness.errors import DeadlineExceeded, HostLost, LabError
from harness.remote.command import Command, Runner, Stream
from harness.wait import Deadline

CHUNK = 1 << 16
GRACE = timedelta(seconds=20)
"""For the receiver to end by itself, when all was sent."""
_LONG = timedelta(seconds=60)
_SHORT, _NOW = timedelta(milliseconds=50), timedelta(0)


class Joined(Protocol):
    """Two streams that are joined."""

    @property
    def over(self) -> bool:
        """Whether either has ended, and so both."""
        ...

    def close(self) -> None:
        """End both; never raises, and is harmless twice."""
        ...


Join = Callable[[Stream, Stream], Joined]
"""Joins two commands that go on running for as long as anybody wants."""


class Relay:
    """Two streams that are joined, each way by a thread of its own."""

    def __init__(self, one: Stream, other: Stream) -> None:
        self._streams = (one, other)
        self._over = threading.Event()
        for source, sink in ((one, other), (other, one)):
            work = threading.Thread(
                target=self._pass_on, args=(source, sink), name="relay", daemon=True
            )
            work.start()

    @property
    def over(self) -> bool:
        """See `Joined.over`."""
        return self._over.is_set()

    def close(self) -> None:
        """See `Joined.close`."""
        self._over.set()
        for stream in self._streams:
            stream.close()

    def _pass_on(self, source: Stream, sink: Stream) -> None:
        # Who reads or writes at either end hears of it in its own way.
        with suppress(LabError):
            while (data := source.read(CHUNK, _LONG)) != b"":
                if data:
                    sink.write(data)
        self.close()


def open_both(one: tuple[Runner, Command], other: tuple[Runner, Command]) -> tuple[Stream, Stream]:
    """Start a command on each of two hosts, in this order; both run, or neither."""
    first = one[0].open(one[1])
    try:
        return first, other[0].open(other[1])
    except BaseException:
        first.close()
        raise


def carry(source: Stream, sink: Stream, deadline: Deadline) -> int:
    """Join two commands until *source* has ended; how many bytes went from it to *sink*.

    By one thread, and the way back is slow: for much that goes one way and little that comes
    back. `DeadlineExceeded` when that takes too long. Both are closed then, whatever happens.
    """
    carried = 0
    try:
        while (data := source.read(CHUNK, _SHORT)) != b"":
            if data and not _taken(sink, data):
                break
            carried += len(data or b"")
            # If the source has ended its next read says so, after all that it had to say.
            while (back := sink.read(CHUNK, _NOW)) and _taken(source, back):
                pass
            if deadline.expired:
                msg = f"{carried} bytes went from one host to the other, and then time was up"
                raise DeadlineExceeded(msg)
        # It ends by itself, having said what became of it.
        last = deadline.sooner(GRACE)
        with suppress(LabError):
            while not last.expired and sink.read(CHUNK, _SHORT) != b"":
                pass
    finally:
        source.close()
        sink.close()
    return carried


def _taken(sink: Stream, data: bytes) -> bool:
    """Whether it takes *data*; not if it has ended."""
    try:
        sink.write(data)
    except HostLost:
        raise
    except LabError:
        return False
    return True
