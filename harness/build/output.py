"""Following a long command on a host: to a log as it speaks, and not for longer than it may."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from harness.errors import DeadlineExceeded, LabError
from harness.remote.command import Stream
from harness.wait import Deadline

LAST_LINES = 15
_READ = timedelta(seconds=0.5)
_CHUNK = 1 << 16
_NOISE = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][0-9A-Za-z]|[=>78])|[\x00-\x08\x0b-\x1f\x7f]")

OnLine = Callable[[str], None]


def follow(stream: Stream, log: Path, deadline: Deadline, on_line: OnLine | None = None) -> None:
    """Write all that *stream* says to the end of *log* until it ends; then close it.

    *on_line* gets each line without its control characters, and what stands on an unfinished one
    when there is a pause (a question, perhaps); what it raises ends the following.
    `DeadlineExceeded`, with the last line, when the stream has not ended in time. `LabError` when
    the log cannot be written.
    """
    rest = b""
    try:
        with log.open("ab", buffering=0) as file:
            while (chunk := stream.read(_CHUNK, _READ)) != b"":
                # One that never stops talking must end, too.
                _check(deadline, log)
                if chunk is None:
                    _tell([rest], on_line)
                    continue
                file.write(chunk)
                *lines, rest = re.split(rb"[\r\n]+", rest + chunk)
                _tell(lines, on_line)
            _tell([rest], on_line)
    except OSError as error:
        msg = f"cannot write the builder's output to {log}: {error.strerror or error}"
        raise LabError(msg) from error
    finally:
        stream.close()


def _check(deadline: Deadline, log: Path) -> None:
    if deadline.expired:
        said = last_lines(log, 1) or "nothing"
        msg = f"the builder did not end in time; its last output: {said}"
        raise DeadlineExceeded(msg, hint="give it more: `timeouts: {build: ...}`")


def _tell(lines: list[bytes], on_line: OnLine | None) -> None:
    for line in lines if on_line else ():
        text = plain(line.decode(errors="replace"))
        if on_line and text:
            on_line(text)


def plain(text: str) -> str:
    """A line without the control characters by which terminals are painted."""
    return _NOISE.sub("", text).rstrip()


def read_log(log: Path) -> str:
    """All that was said; nothing if there is no log yet."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(plain(line) for line in re.split(r"[\r\n]+", text))


def last_lines(log: Path, count: int = LAST_LINES) -> str:
    """Its last lines that are not empty."""
    lines = [line for line in read_log(log).split("\n") if line.strip()]
    return "\n".join(lines[-count:])
