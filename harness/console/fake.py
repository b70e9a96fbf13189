"""Fakes of a console: streams that pass the contract tests, and a tiny guest behind them.

`QueueStream` lives in real time, for the recorder's thread. `ScriptedStream` and
`VirtualRecorder` live in a virtual time that jumps: a boot of ten minutes is tested in none.
"""

from __future__ import annotations

import math
import queue
import shlex
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Protocol

from harness.console.recorder import ConsoleRecorder
from harness.errors import LabError
from harness.remote.command import Stream

Chunk = tuple[float, bytes]
"""Seconds after the one before (or after the input it answers), and the bytes."""


class VirtualClock:
    """A clock that stands still until someone waits."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def monotonic(self) -> float:
        """The virtual time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Jump ahead."""
        self.now += max(0.0, seconds)


class Guest(Protocol):
    """What answers at the other end of a fake stream."""

    def receive(self, data: bytes) -> Iterable[Chunk]:
        """What the guest prints because *data* was typed."""
        ...


class DeafGuest:
    """Never answers."""

    def receive(self, data: bytes) -> Iterable[Chunk]:  # noqa: ARG002
        """Nothing."""
        return ()


class QueueStream:
    """A stream in real time: what a test feeds is read; what is written is kept."""

    def __init__(self, guest: Guest | None = None) -> None:
        self._guest = guest or DeafGuest()
        self._queue: queue.SimpleQueue[bytes | LabError] = queue.SimpleQueue()
        self._rest = b""
        self._ended: LabError | bool = False
        self.written = b""
        self.closed = False

    def feed(self, data: bytes) -> None:
        """Let the guest print *data*."""
        if data:
            self._queue.put(data)

    def end(self) -> None:
        """Let the stream come to its end after what was fed."""
        self._queue.put(b"")

    def fail(self, error: LabError) -> None:
        """Let reading raise *error* after what was fed."""
        self._queue.put(error)

    def read(self, size: int, timeout: timedelta) -> bytes | None:
        """As `Stream.read`."""
        if not self._rest and not self._ended and not self._take(timeout):
            return None
        if isinstance(self._ended, LabError):
            raise self._ended
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def write(self, data: bytes) -> None:
        """As `Stream.write`; the guest answers at once."""
        if self.closed or self._ended:
            raise _no_more_input()
        self.written += data
        for _, answer in self._guest.receive(data):
            self._queue.put(answer)

    def close(self) -> None:
        """As `Stream.close`."""
        self.closed = True
        self._rest = b""
        self.end()

    def _take(self, timeout: timedelta) -> bool:
        try:
            item = self._queue.get(timeout=max(0.0, timeout.total_seconds()))
        except queue.Empty:
            return False
        if isinstance(item, LabError):
            self._ended = item
        elif item:
            self._rest = item
        else:
            self._ended = True
        return True


class ScriptedStream:
    """A stream in virtual time: each chunk comes so long after the one before.

    After the script it is silent, or ends if *end* is given: so many seconds later.
    """

    def __init__(
        self,
        clock: VirtualClock,
        script: Iterable[Chunk] = (),
        *,
        end: float | None = None,
        guest: Guest | None = None,
    ) -> None:
        self._clock = clock
        self._guest = guest or DeafGuest()
        self._coming: deque[tuple[float, bytes]] = deque()
        self._closed = False
        self.written = b""
        self._schedule([*script, *([] if end is None else [(end, b"")])])

    def read(self, size: int, timeout: timedelta) -> bytes | None:
        """As `Stream.read`; the clock jumps to the next chunk, or by *timeout*."""
        if self._closed:
            return b""
        until = self._clock.now + max(0.0, timeout.total_seconds())
        if not self._coming or self._coming[0][0] > until:
            self._clock.now = until
            return None
        due, data = self._coming[0]
        self._clock.now = max(self._clock.now, due)
        if not data:
            return b""
        self._coming.popleft()
        if data[size:]:
            self._coming.appendleft((due, data[size:]))
        return data[:size]

    def write(self, data: bytes) -> None:
        """As `Stream.write`; the answer is scheduled from now."""
        if self._closed or self._at_end():
            raise _no_more_input()
        self.written += data
        self._schedule(self._guest.receive(data))

    def close(self) -> None:
        """As `Stream.close`."""
        self._closed = True

    def _at_end(self) -> bool:
        return bool(self._coming) and self._coming[0] <= (self._clock.now, b"")

    def _schedule(self, chunks: Iterable[Chunk]) -> None:
        at = self._clock.now
        for delay, data in chunks:
            at += delay
            self._coming.append((at, data))
        # Stable: what was scheduled first for a moment comes first.
        self._coming = deque(sorted(self._coming, key=lambda one: one[0]))


def _no_more_input() -> LabError:
    msg = "the fake stream has ended and takes no more input"
    return LabError(msg)


class VirtualRecorder(ConsoleRecorder):
    """The recorder without its thread: whoever waits, reads. All else is the real one."""

    def wait(self, position: int, timeout: float) -> bool:
        """As the real one; reads the stream until the byte has come or *timeout* is over."""
        until = self.clock.monotonic() + timeout
        while self.mark() <= position and not self.ended:
            left = until - self.clock.monotonic()
            # Rounded up, or a wait of half a microsecond would never be over.
            wait = timedelta(microseconds=math.ceil(max(0.0, left) * 1e6))
            if not self._pump(self._stream, wait):
                self._buffer.finish()
            if left <= 0:
                break
        return super().wait(position, 0)

    def let_go(self) -> None:
        """As the real one, whose thread has read by then what had come."""
        self.read_due()
        super().let_go()

    def attach(self, stream: Stream) -> int:
        """The same."""
        self.read_due()
        return super().attach(stream)

    def read_due(self) -> None:
        """Read all that has come by now, without waiting."""
        while not self._buffer.ended:
            before = self._buffer.end
            if not self._pump(self._stream, timedelta(0)):
                self._buffer.finish()
            if self._buffer.end == before:
                break

    def _start(self) -> None:
        return None


class TinyGuest:
    """A getty, a login and a shell, as far as a console can tell: a line at a time, with echo.

    *answers* maps a command to its output and exit status. The shell understands the lines
    of `harness.console.shell`: ``printf``, ``PS1=`` and ``(eval ...)``; nothing else.
    *password* may be a function that tells whether a word is the right one.
    """

    def __init__(
        self,
        *,
        hostname: str = "guest",
        user: str = "root",
        password: str | Callable[[str], bool] | None = None,
        answers: Mapping[str, tuple[str, int]] | None = None,
        compute: Callable[[str], tuple[str, int]] | None = None,
        delay: float = 0.1,
    ) -> None:
        self._hostname, self._user, self._password = hostname, user, password
        self._answers = dict(answers or {})
        self._compute = compute or (lambda _: ("sh: 1: not found\n", 127))
        self._delay = delay
        self._state = "login"
        self._typed = ""
        self._name = ""
        self._prompt = f"{user}@{hostname}:~# "
        self._hung = False

    def prompt(self) -> bytes:
        """What the getty prints at first."""
        return f"\r\nDebian GNU/Linux 12 {self._hostname} hvc0\r\n\r\n{self._ask()}".encode()

    def receive(self, data: bytes) -> Iterable[Chunk]:
        """Echo, and what a finished line leads to."""
        for char in data.decode():
            if char == "\x03":
                self._typed, self._hung = "", False
                yield self._delay, f"^C\r\n{self._prompt}".encode()
            elif self._hung:
                continue
            elif char in "\r\n":
                line, self._typed = self._typed, ""
                yield 0.0, b"\r\n"
                yield self._delay, self._line(line).replace("\n", "\r\n").encode()
            else:
                self._typed += char
                if self._state != "password":
                    yield 0.0, char.encode()

    def _ask(self) -> str:
        return f"{self._hostname} login: "

    def _line(self, line: str) -> str:
        if self._state == "login":
            return self._named(line)
        if self._state == "password":
            right = self._password(line) if callable(self._password) else line == self._password
            good = self._name == self._user and right
            self._state = "shell" if good else "login"
            return self._welcome() if good else f"\nLogin incorrect\n{self._ask()}"
        return self._shell(line) if line.strip() else self._prompt

    def _named(self, line: str) -> str:
        self._name = line
        if not line:
            return f"\n{self._ask()}"
        if self._password is None and line == self._user:
            self._state = "shell"
            return self._welcome()
        self._state = "password"
        return "Password: "

    def _welcome(self) -> str:
        return f"Last login: Tue Nov  4 10:00:00 UTC 2025 on hvc0\n{self._prompt}"

    def _shell(self, line: str) -> str:
        said = ""
        words = shlex.split(line.replace(";", " ; "), posix=True)
        for word in words:
            if word.startswith("PS1="):
                self._prompt = word.removeprefix("PS1=")
        if "(eval" in words:
            nonce = words[words.index(":begin") - 1]
            start = line.index("(eval ") + len("(eval ")
            (command,) = shlex.split(line[start : line.index("); printf", start)])
            output, status = self._answers.get(command) or self._compute(command)
            if status < 0:
                self._hung = True
                return f"\n{nonce}:begin\n{output}"
            said = f"\n{nonce}:begin\n{output}\n{nonce}:end:{status}:\n"
        return said + self._prompt
