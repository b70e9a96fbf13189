"""What every runner does the same way when a command has ended, or has not in time."""

from __future__ import annotations

from datetime import timedelta

from harness.errors import CommandFailed, DeadlineExceeded, TooMuchOutput
from harness.remote.command import Command, CommandResult

NOT_FOUND = 127
"""The exit status by which a shell, and env(1), say that there is no such program."""

MOST_OUTPUT = 256 << 20
"""Bytes of output that a runner keeps. Guests, and the file systems in their images, decide how
much some commands say; without a bound they could take all of the controller's memory."""


def settle(result: CommandResult, *, check: bool) -> CommandResult:
    """The result itself; or `CommandFailed` when it is bad and *check* asks for a good one."""
    if not check:
        return result
    try:
        return result.check()
    except CommandFailed as error:
        if error.exit_status == NOT_FOUND:
            error.hint = _missing_hint(result)
        raise


def too_late(command: Command, where: str, timeout: timedelta, output: str) -> DeadlineExceeded:
    """The error for a command that was still running when its time was over."""
    said = command.last_words(output) or "nothing"
    msg = (
        f"on {where}: `{command.brief}` did not end within {timeout.total_seconds():g} s; "
        f"its last output: {said}"
    )
    return DeadlineExceeded(msg)


def too_much(command: Command, where: str) -> TooMuchOutput:
    """The error for a command that said more than `MOST_OUTPUT`."""
    msg = f"on {where}: `{command.brief}` said more than {MOST_OUTPUT >> 20} MiB and was ended"
    return TooMuchOutput(msg)


def text_of(output: bytes | bytearray) -> str:
    """Output as text: UTF-8, bad bytes replaced."""
    return output.decode(errors="replace")


def _missing_hint(result: CommandResult) -> str:
    program = result.command.argv[0]
    if program == "sh":
        return f"a program that this script calls is not installed on {result.where}"
    return f"is {program} installed on {result.where}?"
