"""Which revision of the harness made a result."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from harness.errors import DeadlineExceeded
from harness.remote.command import DEFAULT_TIMEOUT, Command, CommandResult, Stream
from harness.results.provenance import describe_revision


class OneAnswer:
    """A runner that gives the same answer to every command."""

    name = "localhost"

    def __init__(self, exit_status: int, stdout: str, *, hangs: bool = False) -> None:
        self.exit_status, self.stdout, self.hangs = exit_status, stdout, hangs

    def run(
        self,
        command: Command,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        check: bool = True,
        stdin: bytes | BinaryIO | None = None,
    ) -> CommandResult:
        if self.hangs:
            msg = "git hangs"
            raise DeadlineExceeded(msg)
        result = CommandResult(
            command=command,
            where=self.name,
            exit_status=self.exit_status,
            stdout=self.stdout,
            stderr="",
            duration=timedelta(0),
        )
        return result.check() if check else result

    def open(self, command: Command) -> Stream:
        raise NotImplementedError

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("runner", "expected"),
    [
        (OneAnswer(0, "v0.1.0-3-gabc1234-dirty\n"), "v0.1.0-3-gabc1234-dirty"),
        (OneAnswer(128, ""), None),
        (OneAnswer(0, "\n"), None),
        (OneAnswer(0, "x", hangs=True), None),
    ],
)
def test_revision_or_none(runner: OneAnswer, expected: str | None) -> None:
    assert describe_revision(runner, Path("/src")) == expected
