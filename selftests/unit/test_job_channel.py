"""Whose fault it is when a command in the guest goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import BinaryIO

import pytest

from harness.errors import CommandFailed, DeadlineExceeded, GuestFailure, HostLost, LabError
from harness.job.channel import GuestChannel
from harness.remote.command import DEFAULT_TIMEOUT, Command, CommandResult, Stream


class Ending:
    """A runner whose every command ends with one error, or well."""

    name = "there"

    def __init__(self, error: LabError | None = None) -> None:
        self.error = error

    def run(
        self,
        command: Command,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        check: bool = True,
        stdin: bytes | BinaryIO | None = None,
    ) -> CommandResult:
        if self.error:
            raise self.error
        return CommandResult(
            command=command,
            where=self.name,
            exit_status=0,
            stdout="well",
            stderr="",
            duration=timedelta(0),
        )

    def open(self, command: Command) -> Stream:
        raise self.error or LabError("there is nothing to open")

    def close(self) -> None:
        pass


class Times:
    """Counts how often somebody waited."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        self.count += 1
        yield


def channel(guest: Ending, dom0: Ending, times: Times | None = None) -> GuestChannel:
    return GuestChannel(
        guest,
        dom0,
        evidence=lambda: "last words",
        waiting=(times or Times()).waiting,
        factor=1.0,
    )


FAULTS = [
    (CommandFailed("no", exit_status=1, stderr=""), "command-failed"),
    (DeadlineExceeded("too late"), "ssh-stalled"),
    (HostLost("gone"), "ssh-lost"),
]


@pytest.mark.parametrize(("error", "failure_class"), FAULTS)
def test_while_dom0_answers_it_is_the_guests_fault(error: LabError, failure_class: str) -> None:
    with pytest.raises(GuestFailure) as caught:
        channel(Ending(error), Ending()).run(Command.of("true"))
    assert caught.value.failure_class == failure_class
    assert caught.value.phase == "ssh"
    assert caught.value.evidence == "last words"
    with pytest.raises(GuestFailure):
        channel(Ending(error), Ending()).open(Command.of("true"))


@pytest.mark.parametrize(("error", "failure_class"), FAULTS)
def test_when_dom0_is_silent_too_it_is_our_lab(error: LabError, failure_class: str) -> None:
    del failure_class
    with pytest.raises(type(error)) as caught:
        channel(Ending(error), Ending(HostLost("dom0 is gone"))).run(Command.of("true"))
    assert caught.value is error


def test_another_fault_of_the_lab_stays_one() -> None:
    error = LabError("no more sessions")
    with pytest.raises(LabError) as caught:
        channel(Ending(error), Ending()).run(Command.of("true"))
    assert caught.value is error


def test_a_command_that_ends_well_is_passed_on_and_counted() -> None:
    times = Times()
    assert channel(Ending(), Ending(), times).run(Command.of("true")).stdout == "well"
    assert times.count == 1
