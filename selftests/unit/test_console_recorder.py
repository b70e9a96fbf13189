from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from harness.console.fake import QueueStream, ScriptedStream, VirtualClock, VirtualRecorder
from harness.console.recorder import ConsoleRecorder
from harness.console.transcript import Transcript
from harness.errors import HostLost, LabError
from harness.secret import Secret

WAIT = 10.0


@pytest.fixture
def stream() -> QueueStream:
    return QueueStream()


@pytest.fixture
def recorder(stream: QueueStream, tmp_path: Path) -> Iterator[ConsoleRecorder]:
    made = ConsoleRecorder(stream, tmp_path, wall=lambda: 1762250000.5, name="guest")
    yield made
    made.close()


def events(directory: Path) -> list[list[object]]:
    lines = (directory / "console.cast").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[1:]]


def shown(directory: Path, kind: str) -> str:
    return "".join(str(text) for _, code, text in events(directory) if code == kind)


def test_bytes_are_on_disk_before_anyone_can_see_them(
    recorder: ConsoleRecorder, stream: QueueStream, tmp_path: Path
) -> None:
    stream.feed(b"\xff\x00raw\r\n")
    assert recorder.wait(0, WAIT)
    assert (tmp_path / "console.log").read_bytes() == b"\xff\x00raw\r\n"
    assert shown(tmp_path, "o") == "\ufffd\x00raw\r\n"
    assert recorder.read(2, 3) == b"raw"


def test_cast_header(recorder: ConsoleRecorder, tmp_path: Path) -> None:
    header = json.loads((tmp_path / "console.cast").read_text().splitlines()[0])
    assert header == {
        "version": 2,
        "width": 80,
        "height": 24,
        "timestamp": 1762250000,
        "title": "guest",
        "began": 1762250000.5,
    }


def test_a_character_split_over_two_reads_survives(
    recorder: ConsoleRecorder, stream: QueueStream, tmp_path: Path
) -> None:
    for byte in "é→".encode():
        stream.feed(bytes([byte]))
    assert recorder.wait(4, WAIT)
    assert shown(tmp_path, "o") == "é→"


def test_cast_times_are_when_the_bytes_came(tmp_path: Path) -> None:
    clock = VirtualClock()
    stream = ScriptedStream(clock, [(1.5, b"a"), (2.0, b"b")])
    recorder = VirtualRecorder(stream, tmp_path, clock=clock)
    assert recorder.last_data is None
    assert recorder.wait(1, 60)
    assert events(tmp_path) == [[1.5, "o", "a"], [3.5, "o", "b"]]
    assert recorder.elapsed == 3.5
    assert recorder.time_at(0) == clock.now - 2.0
    assert recorder.last_data == clock.now
    assert not recorder.wait(2, 60)
    assert recorder.elapsed == 63.5
    recorder.close()


def test_input_is_recorded_but_not_a_secret(
    recorder: ConsoleRecorder, stream: QueueStream, tmp_path: Path
) -> None:
    recorder.write(b"root\r")
    recorder.write(Secret("hunter2"))
    recorder.write(b"hunter3\r", secret=True)
    assert stream.written == b"root\rhunter2\rhunter3\r"
    assert shown(tmp_path, "i") == "root\r"
    for file in tmp_path.iterdir():
        assert b"hunter" not in file.read_bytes()


def test_an_echoed_secret_reaches_neither_disk_nor_readers(
    recorder: ConsoleRecorder, stream: QueueStream, tmp_path: Path
) -> None:
    recorder.write(Secret("hunter2"))
    stream.feed(b"hun")
    stream.feed(b"ter2\r\n")
    stream.feed(b"after")
    assert recorder.wait(len(b"[secret]\r\nafter") - 1, WAIT)
    assert recorder.read_all(0) == b"[secret]\r\nafter"
    assert b"hunter" not in (tmp_path / "console.log").read_bytes()
    assert "hunter" not in (tmp_path / "console.cast").read_text()


def test_what_only_began_like_the_secret_is_not_lost(
    recorder: ConsoleRecorder, stream: QueueStream, tmp_path: Path
) -> None:
    recorder.write(Secret("hunter2"))
    stream.feed(b"hun")
    stream.end()
    assert recorder.wait(2, WAIT)
    assert (tmp_path / "console.log").read_bytes() == b"hun"


def test_a_lost_host_while_typing_a_secret_does_not_show_it(tmp_path: Path) -> None:
    class Lost(QueueStream):
        def write(self, data: bytes) -> None:
            msg = "connection reset"
            raise HostLost(msg)

    recorder = ConsoleRecorder(Lost(), tmp_path)
    with pytest.raises(HostLost, match="connection reset") as caught:
        recorder.write(Secret("".join(["hun", "ter", "2"])))
    assert "hunter2" not in str(caught.getrepr(style="long", showlocals=True, funcargs=True))
    recorder.close()


def test_end_of_stream(recorder: ConsoleRecorder, stream: QueueStream) -> None:
    stream.feed(b"bye")
    stream.end()
    assert recorder.wait(2, WAIT)
    assert not recorder.wait(3, WAIT)
    assert recorder.ended
    with pytest.raises(LabError, match="it has ended"):
        recorder.write(b"x")


def test_a_lost_stream_is_told_from_an_ended_one(
    recorder: ConsoleRecorder, stream: QueueStream
) -> None:
    stream.feed(b"half a li")
    stream.fail(HostLost("connection reset"))
    assert recorder.wait(8, WAIT)
    with pytest.raises(HostLost, match=r"console of guest was lost.*connection reset"):
        recorder.wait(9, WAIT)
    with pytest.raises(HostLost):
        recorder.write(b"x")
    assert recorder.tail() == "half a li"


def test_attach_goes_on_in_the_same_files(
    recorder: ConsoleRecorder, stream: QueueStream, tmp_path: Path
) -> None:
    stream.feed(b"first\r\n\xc3")
    stream.end()
    assert not recorder.wait(8, WAIT)
    second = QueueStream()
    assert recorder.attach(second) == 8
    assert stream.closed
    assert not recorder.ended
    second.feed(b"second\r\n")
    assert recorder.wait(8, WAIT)
    recorder.write(b"x")
    assert second.written == b"x"
    assert (tmp_path / "console.log").read_bytes() == b"first\r\n\xc3second\r\n"
    assert [event[1] for event in events(tmp_path)] == ["o", "o", "m", "o", "i"]
    assert recorder.lines_since(8) == ["second"]


def test_a_stream_that_is_let_go_of_is_read_to_its_end(
    recorder: ConsoleRecorder, stream: QueueStream
) -> None:
    """Before another client may take its place: there is one at a console at a time."""
    stream.feed(b"last words")
    recorder.let_go()
    assert (stream.closed, recorder.ended) == (True, True)
    assert recorder.tail() == "last words"
    second = QueueStream()
    assert recorder.attach(second) == len(b"last words")
    second.feed(b", and more")
    assert recorder.wait(10, WAIT)
    assert recorder.tail() == "last words, and more"


def test_attach_forgets_that_the_old_stream_was_lost(
    recorder: ConsoleRecorder, stream: QueueStream
) -> None:
    stream.fail(HostLost("connection reset"))
    with pytest.raises(HostLost):
        recorder.wait(0, WAIT)
    second = QueueStream()
    recorder.attach(second)
    second.feed(b"x")
    assert recorder.wait(0, WAIT)
    second.end()
    assert not recorder.wait(1, WAIT)


def test_close_reads_what_is_left_and_is_harmless_twice(
    recorder: ConsoleRecorder, stream: QueueStream, tmp_path: Path
) -> None:
    for part in range(20):
        stream.feed(b"%d\r\n" % part)
    recorder.close()
    recorder.close()
    assert (tmp_path / "console.log").read_bytes().split()[-1] == b"19"
    assert stream.closed
    assert recorder.ended
    assert recorder.tail(1) == "19"


def test_close_gives_up_on_a_stream_that_babbles(tmp_path: Path) -> None:
    class Babble(QueueStream):
        def read(self, size: int, timeout: timedelta) -> bytes | None:
            return b"x"

    recorder = ConsoleRecorder(Babble(), tmp_path)
    assert recorder.wait(10, WAIT)
    recorder.close()
    assert recorder.ended


def test_a_reader_left_behind_is_served_from_the_file(tmp_path: Path) -> None:
    stream = QueueStream()
    recorder = ConsoleRecorder(stream, tmp_path, memory=1000)
    whole = b"".join(b"line %d\r\n" % number for number in range(1000))
    for start in range(0, len(whole), 300):
        stream.feed(whole[start : start + 300])
    assert recorder.wait(len(whole) - 1, WAIT)
    assert recorder.read(0, 8) == b"line 0\r\n"
    assert recorder.read_all(0) == whole
    assert recorder.lines_since(0)[500] == "line 500"
    recorder.close()


def test_tail_and_lines_are_for_people(recorder: ConsoleRecorder, stream: QueueStream) -> None:
    mark = recorder.mark()
    stream.feed(b"[\x1b[0;32m  OK  \x1b[0m] one\r\ntwo\r\n\x1b]0;t\x07guest login: ")
    assert recorder.wait(40, WAIT)
    assert recorder.lines_since(mark) == ["[  OK  ] one", "two", "guest login: "]
    assert recorder.tail(2) == "two\nguest login: "


def test_a_recording_is_never_overwritten(recorder: ConsoleRecorder, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot record a console in"):
        ConsoleRecorder(QueueStream(), tmp_path)


def test_what_cannot_be_written_cannot_be_matched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Transcript, "output", full)
    stream = QueueStream()
    stream.feed(b"guest login: ")
    with ConsoleRecorder(stream, tmp_path) as recorder:
        with pytest.raises(LabError, match="No space left"):
            recorder.wait(100, WAIT)
        assert recorder.read(0, 100) == b""


def test_a_stream_that_breaks_is_told_and_not_swallowed(tmp_path: Path) -> None:
    class Broken(QueueStream):
        def read(self, size: int, timeout: timedelta) -> bytes | None:
            raise OSError(5, "Input/output error")

    recorder = ConsoleRecorder(Broken(), tmp_path)
    with pytest.raises(LabError, match="Input/output error"):
        recorder.wait(0, WAIT)
    recorder.close()
