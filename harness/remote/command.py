"""Commands, their results, and the interface that every way of running them has."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO, Protocol

from harness.errors import CommandFailed

DEFAULT_TIMEOUT = timedelta(seconds=60)
_LAST_LINES = 5
_BRIEF = 160
"""Characters of a script's name and arguments in a message."""


@dataclass(frozen=True, repr=False)
class Command:
    """An argument list, as for execve: nothing in it is ever read by a shell.

    For a pipeline, say so: ``Command.shell("gzip -d | dd of=/dev/x")``.
    *secret* keeps the command out of logs (a password stands in it). *terminal* gives it a
    terminal, where a runner's `open` can; some programs read no input from anything else.
    *shown* is what people see in place of a command that is wrapped up in another.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    secret: bool = False
    terminal: bool = False
    shown: str = ""

    @classmethod
    def of(cls, *argv: object) -> Command:
        """A command from its arguments; sizes, paths and numbers are turned into text."""
        return cls(tuple(str(part) for part in argv))

    @classmethod
    def shell(cls, script: str) -> Command:
        """A POSIX shell script; it stops at the first command that fails (``set -e``)."""
        return cls(("sh", "-ec", script))

    @classmethod
    def script(cls, name: str, text: str, *arguments: object) -> Command:
        """A shell script with a *name*, which is its $0; what varies comes as $1 and on.

        *text* should be constant: then no argument is ever read by a shell as code, and who
        stands in for the host (`harness.sim`) knows by the name what is wanted of it.
        """
        return cls(("sh", "-ec", text, name, *map(str, arguments)))

    @property
    def script_name(self) -> str | None:
        """The name of the script that it is; None for a plain program or a nameless script."""
        is_script = self.argv[:1] == ("sh",) and self.argv[1:2] in (("-c",), ("-ec",))
        return self.argv[3] if is_script and len(self.argv) > 3 else None

    @property
    def brief(self) -> str:
        """For messages: of a script with a name that and its arguments, else the whole line.

        Arguments of several lines are left out.
        """
        name = self.script_name
        if self.secret or self.shown or name in (None, "sh"):
            return str(self)
        words = ("..." if "\n" in word else word for word in self.argv[4:])
        line = shlex.join((str(name), *words))
        return line if len(line) <= _BRIEF else f"{line[:_BRIEF]}..."

    def __str__(self) -> str:
        """The line to paste into a shell to run the same."""
        if self.secret:
            return f"{self.argv[0]} [hidden]"
        if self.shown:
            return self.shown
        words = [f"{key}={shlex.quote(value)}" for key, value in self.env.items()]
        return " ".join([*words, shlex.join(self.argv)])

    def __repr__(self) -> str:
        # Tracebacks show the values of variables.
        return f"Command({str(self)!r})"

    def last_words(self, output: str) -> str:
        """The end of what it said, for a message; a secret one may have repeated its secret."""
        if self.secret:
            return "[hidden]"
        return "; ".join(line.strip() for line in output.strip().splitlines()[-_LAST_LINES:])


@dataclass(frozen=True, kw_only=True, repr=False)
class CommandResult:
    """How a command ended. Output is text: UTF-8, bad bytes replaced."""

    command: Command
    where: str
    """The runner's name: ``localhost`` or the host's."""
    exit_status: int
    """0 to 255; a negative number is the signal that ended it."""
    stdout: str
    stderr: str
    duration: timedelta

    def __repr__(self) -> str:
        said = "" if self.command.secret else f", {self.stdout[-200:]!r}, {self.stderr[-200:]!r}"
        return f"CommandResult({self.command!r} on {self.where}: {self.exit_status}{said})"

    @property
    def ok(self) -> bool:
        """Whether the exit status was 0."""
        return self.exit_status == 0

    def check(self) -> CommandResult:
        """Itself if it went well; else `CommandFailed` with the command and its last words."""
        if self.ok:
            return self
        said = self.command.last_words(self.stderr.strip() or self.stdout) or "it said nothing"
        how = f"exit status {self.exit_status}"
        if self.exit_status < 0:
            how = f"signal {-self.exit_status}"
        msg = f"on {self.where}: `{self.command.brief}` ended with {how}: {said}"
        stderr = said if self.command.secret else self.stderr
        raise CommandFailed(msg, exit_status=self.exit_status, stderr=stderr)


def pairs_in(text: str) -> dict[str, str]:
    """The lines of *text* that are ``name=value``, as scripts print what they have found."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


class Stream(Protocol):
    """A command that goes on running, and the two byte streams to it and from it."""

    def read(self, size: int, timeout: timedelta) -> bytes | None:
        """Up to *size* bytes; ``b""`` at the end; None if none came within *timeout*."""
        ...

    def write(self, data: bytes) -> None:
        """Send all of *data* to its standard input."""
        ...

    def close(self) -> None:
        """End it; never raises, and is harmless twice."""
        ...


class Runner(Protocol):
    """Runs commands in one place."""

    @property
    def name(self) -> str:
        """Where: ``localhost`` or the host's name."""
        ...

    def run(
        self,
        command: Command,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        check: bool = True,
        stdin: bytes | BinaryIO | None = None,
    ) -> CommandResult:
        """Run to the end. `CommandFailed` on a bad status if *check*; `DeadlineExceeded` when
        *timeout* passes (the command is then ended); `HostLost` when the host is gone.

        *stdin* may be a file of any size: it is streamed, never held in memory.
        """
        ...

    def open(self, command: Command) -> Stream:
        """Start a command that goes on running (a console, a lock)."""
        ...

    def close(self) -> None:
        """Let go of the connection; never raises."""
        ...
