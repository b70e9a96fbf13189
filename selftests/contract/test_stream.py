"""What every stream does: the shipped fakes, a command of this machine, a real terminal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

import pytest
from pty_stream import PtyStream

from harness.console.fake import Chunk, QueueStream, ScriptedStream, VirtualClock
from harness.errors import LabError
from harness.remote.command import Command, Stream
from harness.remote.local import LocalRunner
from harness.sim.clock import SimClock
from harness.sim.stream import SimStream

LONG = timedelta(seconds=10)
SHORT = timedelta(milliseconds=20)
LINES = 'while read -r line; do [ "$line" = end ] && exit; echo "$line"; done'
Make = Callable[[], Stream]


class LineEcho:
    """The fakes' counterpart of `LINES`."""

    def receive(self, data: bytes) -> Iterable[Chunk]:
        for line in data.splitlines(keepends=True):
            yield 0.0, b"" if line == b"end\n" else line


class SimEcho(SimStream):
    """The same on a simulated host."""

    def _typed(self, data: bytes) -> None:
        for line in data.splitlines(keepends=True):
            if line == b"end\n":
                self.end()
            else:
                self._say(line)


def make(kind: str) -> Stream:
    if kind == "sim":
        return SimEcho(SimClock(), "echo")
    if kind == "queue":
        return QueueStream(LineEcho())
    if kind == "scripted":
        return ScriptedStream(VirtualClock(), guest=LineEcho())
    if kind == "pty":
        return PtyStream("sh", "-c", LINES, echo=False)
    return LocalRunner().open(Command.of("sh", "-c", LINES))


@pytest.fixture(params=["queue", "scripted", "sim", "pty", "local"])
def stream(request: pytest.FixtureRequest) -> Iterator[Stream]:
    made = make(request.param)
    yield made
    made.close()


def read_to(stream: Stream, wanted: int, size: int = 100) -> bytes:
    """At least *wanted* bytes, or what came before the end."""
    found = b""
    while len(found) < wanted and (block := stream.read(size, LONG)):
        assert len(block) <= size
        found += block
    return found


def write_much(stream: Stream) -> None:
    """More than any buffer on the way holds."""
    for _ in range(10):
        stream.write(bytes(1 << 16))


def test_what_is_written_is_answered(stream: Stream) -> None:
    stream.write(b"one\n")
    stream.write(b"two\n")
    assert read_to(stream, 8) == b"one\ntwo\n"


def test_silence_is_none(stream: Stream) -> None:
    assert stream.read(10, SHORT) is None
    stream.write(b"x\n")
    assert read_to(stream, 2) == b"x\n"
    assert stream.read(10, SHORT) is None


def test_no_more_than_asked_and_nothing_lost(stream: Stream) -> None:
    stream.write(b"abcdef\n")
    assert read_to(stream, 7, size=2) == b"abcdef\n"


def test_the_end_is_empty_and_stays(stream: Stream) -> None:
    stream.write(b"last\nend\n")
    assert read_to(stream, 100) == b"last\n"
    assert stream.read(10, LONG) == b""
    assert stream.read(10, LONG) == b""


def test_the_end_takes_no_input(stream: Stream) -> None:
    stream.write(b"end\n")
    assert stream.read(10, LONG) == b""
    with pytest.raises(LabError, match="takes no more input"):
        write_much(stream)


def test_close_ends_it_and_is_harmless_twice(stream: Stream) -> None:
    stream.close()
    stream.close()
    assert stream.read(10, LONG) == b""


def test_close_wakes_a_reader(stream: Stream) -> None:
    seen: list[bytes | None] = []
    reader = threading.Thread(target=lambda: seen.append(stream.read(10, LONG)))
    if isinstance(stream, ScriptedStream | SimStream):
        pytest.skip("its read never blocks: the clock jumps")
    reader.start()
    stream.close()
    reader.join(5)
    assert seen == [b""]
