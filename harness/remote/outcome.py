"""What every runner does the same way when a command has ended, or has not in time."""

from __future__ import annotations

from datetime import timedelta

from harness.errors import CommandFailed, DeadlineExceeded
from harness.remote.command import Command, CommandResult

NOT_FOUND = 127
"""The exit status by which a shell, and env(1), say that there is no such program."""

_LAST_LINES = 5


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
    lines = output.strip().splitlines()[-_LAST_LINES:]
    said = "; ".join(line.strip() for line in lines) or "nothing"
    msg = (
        f"on {where}: `{command}` did not end within {timeout.total_seconds():g} s; "
        f"its last output: {said}"
    )
    return DeadlineExceeded(msg)


def text_of(output: bytes | bytearray) -> str:
    """Output as text: UTF-8, bad bytes replaced."""
    return output.decode(errors="replace")


def _missing_hint(result: CommandResult) -> str:
    program = result.command.argv[0]
    if program == "sh":
        return f"a program that this script calls is not installed on {result.where}"
    return f"is {program} installed on {result.where}?"
