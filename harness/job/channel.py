"""Commands in a guest over SSH, where what goes wrong is told from a fault of ours."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import BinaryIO

from harness.errors import CommandFailed, DeadlineExceeded, GuestFailure, HostLost, LabError
from harness.host.xenhost import XenHost
from harness.remote.command import DEFAULT_TIMEOUT, Command, CommandResult, Runner, Stream
from harness.remote.sshlink import SshEndpoint
from harness.wait import Deadline

DOM0_ANSWERS = timedelta(seconds=20)
"""How long dom0 may take to say that it is there, times the host's timeout factor."""


class GuestChannel:
    """A `Runner` in the guest. As long as dom0 answers, what fails is the guest's doing.

    `GuestFailure`: ``command-failed`` (with *check*), ``ssh-stalled`` at the deadline,
    ``ssh-lost`` when the connection went away. When dom0 does not answer either, the error
    stays what it was: a fault of our lab.
    """

    def __init__(
        self,
        inner: Runner,
        dom0: Runner,
        *,
        evidence: Callable[[], str],
        waiting: Callable[[], AbstractContextManager[None]],
        factor: float,
    ) -> None:
        self._inner = inner
        self._dom0 = dom0
        self._evidence = evidence
        self._waiting = waiting
        self._patience = DOM0_ANSWERS * factor

    @property
    def name(self) -> str:
        """The guest's host name."""
        return self._inner.name

    def run(
        self,
        command: Command,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        check: bool = True,
        stdin: bytes | BinaryIO | None = None,
    ) -> CommandResult:
        """Run *command* in the guest."""
        with self._waiting():
            try:
                return self._inner.run(command, timeout=timeout, check=check, stdin=stdin)
            except LabError as error:
                raise self._whose(error) from error

    def open(self, command: Command) -> Stream:
        """Start a command that goes on running."""
        try:
            return self._inner.open(command)
        except LabError as error:
            raise self._whose(error) from error

    def close(self) -> None:
        """Let go of the connection; never raises."""
        self._inner.close()

    def _whose(self, error: LabError) -> LabError | GuestFailure:
        match error:
            case CommandFailed():
                failure_class = "command-failed"
            case DeadlineExceeded():
                failure_class = "ssh-stalled"
            case HostLost():
                failure_class = "ssh-lost"
            case _:
                return error
        try:
            self._dom0.run(Command.of("true"), timeout=self._patience)
        except LabError:
            return error
        return GuestFailure(
            error.message, phase="ssh", failure_class=failure_class, evidence=self._evidence()
        )


def connect_through(
    host: XenHost, guest: SshEndpoint, deadline: Deadline, evidence: Callable[[], str]
) -> Runner:
    """Log in to a guest through its host's connection.

    `GuestFailure`, class ``no-ssh``, when it can't be done although the host still talks to us.
    """
    try:
        return host.enter(host.runner, guest, deadline)
    except HostLost as error:
        if not host.runner.alive:
            raise
        # dom0 still talks to us, so it is the guest that does not.
        msg = f"no SSH to the guest at {guest.address}: {error}"
        raise GuestFailure(msg, phase="ssh", failure_class="no-ssh", evidence=evidence()) from error
