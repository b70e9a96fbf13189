"""A runner for tests: it answers from a script and writes down what it was asked.

It passes the same contract tests as the real ones, where they apply.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO

from harness.errors import LabError
from harness.remote.command import DEFAULT_TIMEOUT, Command, CommandResult, Stream
from harness.remote.outcome import NOT_FOUND, settle


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a command answers."""

    stdout: str = ""
    stderr: str = ""
    exit_status: int = 0
    raises: Exception | None = None


@dataclass(frozen=True, kw_only=True)
class Call:
    """One command that was run."""

    command: Command
    stdin: bytes
    timeout: timedelta

    def __str__(self) -> str:
        return str(self.command)


@dataclass(kw_only=True)
class _Rule:
    pattern: re.Pattern[str]
    answer: Callable[[Call], Reply]
    times: int | None


@dataclass
class FakeRunner:
    """Answers commands by rules; the first rule that matches and is not used up answers.

    A command that no rule knows ends with status 127, as one that is not installed does.
    """

    name: str = "fakehost"
    calls: list[Call] = field(default_factory=list)
    closed: bool = False
    _rules: list[_Rule] = field(default_factory=list)
    _streams: list[tuple[re.Pattern[str], FakeStream]] = field(default_factory=list)

    def on(
        self,
        pattern: str,
        stdout: str = "",
        *,
        stderr: str = "",
        exit_status: int = 0,
        raises: Exception | None = None,
        times: int | None = None,
    ) -> None:
        """Answer commands in whose line the regular expression *pattern* is found."""
        reply = Reply(stdout=stdout, stderr=stderr, exit_status=exit_status, raises=raises)
        self.on_call(pattern, lambda _: reply, times=times)

    def on_call(
        self, pattern: str, answer: Callable[[Call], Reply], *, times: int | None = None
    ) -> None:
        """Answer with what *answer* makes of the call: a fake host with a memory."""
        self._rules.append(_Rule(pattern=re.compile(pattern), answer=answer, times=times))

    def on_open(self, pattern: str, chunks: Iterable[bytes | None]) -> FakeStream:
        """Give a stream that says *chunks* and then ends to the `open` that matches."""
        stream = FakeStream(deque(chunks))
        self._streams.append((re.compile(pattern), stream))
        return stream

    @property
    def lines(self) -> list[str]:
        """The commands run so far, as text."""
        return [str(call) for call in self.calls]

    def run(
        self,
        command: Command,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        check: bool = True,
        stdin: bytes | BinaryIO | None = None,
    ) -> CommandResult:
        """Answer by the rules."""
        data = stdin if isinstance(stdin, bytes) else stdin.read() if stdin is not None else b""
        call = Call(command=command, stdin=data, timeout=timeout)
        self.calls.append(call)
        reply = self._answer(call)
        if reply.raises is not None:
            raise reply.raises
        result = CommandResult(
            command=command,
            where=self.name,
            exit_status=reply.exit_status,
            stdout=reply.stdout,
            stderr=reply.stderr,
            duration=timedelta(milliseconds=1),
        )
        return settle(result, check=check)

    def open(self, command: Command) -> Stream:
        """The next stream prepared with `on_open` whose pattern matches."""
        for index, (pattern, stream) in enumerate(self._streams):
            if pattern.search(str(command)):
                del self._streams[index]
                self.calls.append(Call(command=command, stdin=b"", timeout=timedelta(0)))
                return stream
        msg = f"{self.name}: no stream was prepared for `{command}`"
        raise LabError(msg)

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def _answer(self, call: Call) -> Reply:
        for rule in self._rules:
            if rule.times != 0 and rule.pattern.search(str(call.command)):
                if rule.times is not None:
                    rule.times -= 1
                return rule.answer(call)
        return Reply(exit_status=NOT_FOUND, stderr=f"no such program: {call.command.argv[0]}")


@dataclass
class FakeStream:
    """A stream that says what it was given. A chunk of None is a silence."""

    chunks: deque[bytes | None]
    written: bytearray = field(default_factory=bytearray)
    closed: bool = False

    def read(self, size: int, timeout: timedelta) -> bytes | None:  # noqa: ARG002
        """The next chunk, cut to *size*; ``b""`` when there are no more."""
        if self.closed or not self.chunks:
            return b""
        chunk = self.chunks.popleft()
        if chunk is not None and len(chunk) > size:
            self.chunks.appendleft(chunk[size:])
            return chunk[:size]
        return chunk

    def write(self, data: bytes) -> None:
        """Keep *data*; `LabError` after `close`."""
        if self.closed:
            msg = "the stream was closed"
            raise LabError(msg)
        self.written.extend(data)

    def close(self) -> None:
        """End it."""
        self.closed = True
