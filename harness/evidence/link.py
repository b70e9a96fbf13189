"""The connection that evidence comes by: the flight's own and then, once, a new one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from harness.errors import HostLost, LabError
from harness.host.xenhost import HostRunner
from harness.remote.command import Command

_NOOP = Command.of("true")


class Link:
    """A host that is perhaps half dead. Not for several threads."""

    def __init__(
        self, first: HostRunner, again: Callable[[], HostRunner], patience: timedelta
    ) -> None:
        self._first = first
        self._ways: list[Callable[[], HostRunner]] = [lambda: first, again]
        self._patience = patience
        self._runner: HostRunner | None = None
        self.renewed = False
        """Whether the first connection was of no use, and another was."""
        self.notes: list[str] = []
        """What went wrong with it, in words."""

    def runner(self) -> HostRunner | None:
        """A connection on which the host answered; None when there is no way to it any more."""
        while self._runner is None and self._ways:
            self._go(self._ways.pop(0))
        return self._runner

    def still_answers(self) -> bool:
        """Whether the host answers; if not, the next `runner` is another."""
        if self._runner is None:
            return False
        try:
            self._probe(self._runner)
        except LabError as error:
            self.notes.append(error.message)
            self.close()
            return False
        return True

    def close(self) -> None:
        """Let go of a connection of its own; never raises."""
        if self._runner is not None and self._runner is not self._first:
            self._runner.close()
        self._runner = None

    def _go(self, way: Callable[[], HostRunner]) -> None:
        try:
            self._runner = way()
        except LabError as error:
            self.notes.append(error.message)
            return
        if self.still_answers() and self._runner is not self._first:
            self.renewed = True
            self.notes.append("taken over a new connection from here on")

    def _probe(self, runner: HostRunner) -> None:
        if not runner.alive:
            msg = f"the SSH connection to {runner.name} is lost"
            raise HostLost(msg)
        runner.run(_NOOP, timeout=self._patience)
