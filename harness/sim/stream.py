"""Streams in virtual time: a reader waits by letting time pass."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from harness.errors import HostLost, LabError
from harness.sim.clock import Bell, SimClock


class SimStream:
    """A command that goes on running on a simulated host; a subclass says what comes of it.

    It behaves as `harness.remote.sshchannel.SshStream`: a lost connection is the end for who reads,
    and an error for who writes.
    """

    knows_when: ClassVar[bool] = False
    """Whether nothing makes it say more but its own time (`_next`), its bell, and its end."""

    def __init__(self, clock: SimClock, what: str) -> None:
        self._clock = clock
        self._what = what
        self._unread = b""
        self._ended = False
        self._lost = False
        self._bell = Bell()

    def read(self, size: int, timeout: timedelta) -> bytes | None:
        """See `Stream.read`."""
        until = self._clock.monotonic() + timeout.total_seconds()
        while True:
            if not self._unread and not self._ended:
                self._look()
            if self._unread:
                data, self._unread = self._unread[:size], self._unread[size:]
                return data
            if self._ended:
                return b""
            if self._clock.monotonic() >= until:
                return None
            due = self._next()
            then = until if due is None else min(until, due)
            if self.knows_when:
                self._clock.await_bell(self._bell, then)
            else:
                self._clock.step(then)

    def write(self, data: bytes) -> None:
        """See `Stream.write`."""
        if self._lost:
            msg = f"{self._what}: it closed the connection"
            raise HostLost(msg)
        if self._ended:
            msg = f"{self._what} has ended and takes no more input"
            raise LabError(msg)
        self._typed(data)

    def close(self) -> None:
        """See `Stream.close`."""
        self.end()
        self._unread = b""

    def lose(self) -> None:
        """The connection is gone; on the host the command ends."""
        self._lost = True
        self.end()

    def end(self) -> None:
        """The command ends; what it has said can be read. Harmless twice."""
        if not self._ended:
            self._ended = True
            self._over()
            self._bell.ring()

    @property
    def over(self) -> bool:
        """Whether the command has ended."""
        return self._ended

    def _say(self, data: bytes) -> None:
        self._unread += data

    # -- for subclasses ----------------------------------------------------------------

    def _look(self) -> None:
        """Say what there is to say now, or `end`."""

    def _next(self) -> float | None:
        """When to look again at the latest; None: when anything happens, or its bell rings."""
        return None

    def _typed(self, data: bytes) -> None:
        """It is given input."""

    def _over(self) -> None:
        """It has ended: give back what it held."""


class Words(SimStream):
    """Says something after a while, and ends."""

    def __init__(self, clock: SimClock, what: str, data: bytes, seconds: float) -> None:
        super().__init__(clock, what)
        self._data = data
        self._at = clock.monotonic() + seconds

    def _look(self) -> None:
        if self._clock.monotonic() >= self._at:
            self._say(self._data)
            self.end()

    def _next(self) -> float | None:
        return self._at


class Silence(SimStream):
    """Says nothing, and does not end."""
