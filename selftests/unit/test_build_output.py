"""Following a builder's output, and ending builders: for real, on this machine."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from pathlib import Path

import pytest

from harness.build.output import follow, last_lines, read_log
from harness.console.fake import VirtualClock
from harness.errors import DeadlineExceeded, LabError
from harness.host.builders import end_builders
from harness.host.names import BUILDS_FOR_RUN, BUILDS_GUEST
from harness.remote.command import Command
from harness.remote.fake import FakeStream
from harness.remote.local import LocalRunner
from harness.wait import Deadline, NotYet, wait_for

MINUTE = timedelta(minutes=1)


def test_all_is_written_as_it_came_and_lines_are_told(tmp_path: Path) -> None:
    log, lines = tmp_path / "log", list[str]()
    stream = FakeStream(deque([b"one\r\ntw", None, b"o\n\x1b[1mthree\x1b[0m\n10%\r20%\rend"]))
    follow(stream, log, Deadline.after(MINUTE), lines.append)
    assert lines == ["one", "tw", "two", "three", "10%", "20%", "end"], "a pause tells, too"
    assert log.read_bytes() == b"one\r\ntwo\n\x1b[1mthree\x1b[0m\n10%\r20%\rend"
    assert last_lines(log, 2) == "20%\nend"
    assert stream.closed


def test_a_log_is_only_added_to(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    follow(FakeStream(deque([b"after\n"])), log, Deadline.after(MINUTE))
    assert read_log(log).split() == ["before", "after"]
    assert read_log(tmp_path / "none") == ""


class _Silent(FakeStream):
    """Says one thing and then nothing; a second passes with each look at it."""

    def __init__(self, clock: VirtualClock, *, talks: bool) -> None:
        super().__init__(deque([b"I: Retrieving libc6\n"]))
        self._clock = clock
        self._talks = talks

    def read(self, size: int, timeout: timedelta) -> bytes | None:
        self._clock.sleep(1)
        if self.chunks:
            return super().read(size, timeout)
        return b"again\n" if self._talks else None


@pytest.mark.parametrize("talks", [False, True])
def test_one_that_does_not_end(tmp_path: Path, *, talks: bool) -> None:
    clock = VirtualClock()
    stream = _Silent(clock, talks=talks)
    with pytest.raises(DeadlineExceeded, match="again" if talks else "Retrieving libc6"):
        follow(stream, tmp_path / "log", Deadline.after(MINUTE, clock))
    assert stream.closed


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    stream = FakeStream(deque([b"x"]))
    with pytest.raises(LabError, match="cannot write"):
        follow(stream, tmp_path / "no" / "log", Deadline.after(MINUTE))
    assert stream.closed


def test_only_processes_with_the_mark_are_ended() -> None:
    runner = LocalRunner()
    words = ("sh", "-c", "sleep 60 & echo up; wait")
    mine = runner.open(Command(words, env={BUILDS_FOR_RUN: "run-1", BUILDS_GUEST: "a"}))
    # Neither the same text in another place nor a longer name is the mark.
    other = {BUILDS_FOR_RUN: "run-11", "X": f"{BUILDS_FOR_RUN}=run-1"}
    theirs = runner.open(Command((*words, f"{BUILDS_FOR_RUN}=run-1"), env=other))
    try:
        for stream in (mine, theirs):
            assert stream.read(100, MINUTE) == b"up\n"
        end_builders(runner, "run-1", "b")
        assert theirs.read(100, timedelta(0)) is None
        assert mine.read(100, timedelta(0)) is None
        end_builders(runner, "run-1")

        def ended() -> None:
            if mine.read(100, timedelta(milliseconds=100)) is None:
                msg = "it is there"
                raise NotYet(msg)

        wait_for(ended, what="the builder to end", deadline=Deadline.after(MINUTE))
        assert theirs.read(100, timedelta(0)) is None
    finally:
        mine.close()
        theirs.close()
