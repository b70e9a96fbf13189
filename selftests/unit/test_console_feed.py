from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pexpect.exceptions import EOF, TIMEOUT

from harness.console import feed
from harness.console.fake import Chunk, QueueStream, ScriptedStream, VirtualClock, VirtualRecorder
from harness.console.feed import LOOKBACK, MAX_READ, SEARCH_WINDOW, Ending, RecorderSpawn
from harness.console.recorder import ConsoleRecorder
from harness.errors import HostLost
from harness.wait import Deadline

NEEDLE = re.compile("needle")
SECONDS = timedelta(seconds=10)


class Bench:
    """A spawn on a scripted console, in virtual time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = VirtualClock()
        self._recorders: list[VirtualRecorder] = []

    def spawn(self, script: list[Chunk], *, end: float | None = None) -> RecorderSpawn:
        stream = ScriptedStream(self.clock, script, end=end)
        recorder = VirtualRecorder(
            stream, self.directory / str(len(self._recorders)), clock=self.clock
        )
        self._recorders.append(recorder)
        return RecorderSpawn(recorder, start=0)

    def within(self, seconds: float) -> Deadline:
        return Deadline.after(timedelta(seconds=seconds), self.clock)

    def close(self) -> None:
        for recorder in self._recorders:
            recorder.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_match_before_and_after(bench: Bench) -> None:
    spawn = bench.spawn([(1, b"hay nee"), (1, b"dle hay")])
    assert spawn.expect_any([re.compile("straw"), NEEDLE], bench.within(5)) == 1
    assert (spawn.before, spawn.after) == ("hay ", "needle")
    assert spawn.expect_any([re.compile(" hay")], bench.within(5)) == 0
    assert spawn.before == ""


def test_timeout_by_the_recorders_clock_and_nothing_is_lost(bench: Bench) -> None:
    spawn = bench.spawn([(1, b"one "), (4, b"needle")])
    started = bench.clock.now
    assert spawn.expect_any([NEEDLE], bench.within(2)) is Ending.TIMEOUT
    assert bench.clock.now - started == pytest.approx(2)
    assert spawn.before == "one "
    assert spawn.expect_any([NEEDLE], bench.within(10)) == 0
    assert spawn.before == "one "


def test_chatter_does_not_put_off_the_deadline(bench: Bench) -> None:
    spawn = bench.spawn([(1, b"hay ")] * 100)
    started = bench.clock.now
    assert spawn.expect_any([NEEDLE], bench.within(20)) is Ending.TIMEOUT
    assert bench.clock.now - started <= 21


def test_what_came_by_a_deadline_in_the_past_is_searched(bench: Bench) -> None:
    spawn = bench.spawn([(1, b"needle" + b"x" * 3 * MAX_READ + b"thread")])
    spawn.recorder.wait(0, 5)
    past = bench.within(-1)
    assert spawn.expect_any([NEEDLE], past) == 0
    assert spawn.expect_any([re.compile("thread")], past) == 0
    assert spawn.expect_any([NEEDLE], past) is Ending.TIMEOUT


def test_the_end_of_the_console(bench: Bench) -> None:
    spawn = bench.spawn([(1, b"bye")], end=1)
    assert spawn.expect_any([NEEDLE], bench.within(60)) is Ending.ENDED
    assert spawn.before == "bye"
    assert bench.clock.now == 1002.0, "the end is not waited out"


def test_pexpects_own_calls_work_too(bench: Bench) -> None:
    spawn = bench.spawn([(1, b"hay needle hay")], end=1)
    assert spawn.expect([EOF, "needle"], timeout=5) == 1
    assert spawn.expect([EOF, TIMEOUT], timeout=0) == 1
    assert spawn.expect([EOF, TIMEOUT], timeout=5) == 0


@pytest.mark.parametrize("split", range(1, 8))
def test_a_match_and_a_character_may_be_split_anywhere(bench: Bench, split: int) -> None:
    data = "é→needle".encode()
    spawn = bench.spawn([(1, data[:split]), (1, data[split:])])
    assert spawn.expect_any([NEEDLE], bench.within(5)) == 0
    assert spawn.before == "é→"


@pytest.mark.parametrize("size", [1, 100, MAX_READ - 1, MAX_READ, SEARCH_WINDOW, 3 * SEARCH_WINDOW])
def test_nothing_is_lost_around_timeouts_whatever_the_sizes(bench: Bench, size: int) -> None:
    """pexpect issue 577: with a search window, data around a TIMEOUT went missing."""
    hay = b"." * size
    spawn = bench.spawn([(1, b"<" + hay), (2, hay + b"nee"), (2, b"dle" + hay + b">")])
    found = [spawn.expect_any([NEEDLE], bench.within(2)) for _ in range(4)]
    first = found.index(0)
    assert first > 0
    assert found[:first] == [Ending.TIMEOUT] * first
    assert spawn.expect_any([re.compile(">")], bench.within(5)) == 0


def test_before_is_whole_after_a_timeout(bench: Bench) -> None:
    hay = b"x" * (2 * SEARCH_WINDOW)
    spawn = bench.spawn([(1, b"<" + hay), (5, hay + b"needle")])
    assert spawn.expect_any([NEEDLE], bench.within(2)) is Ending.TIMEOUT
    assert spawn.expect_any([NEEDLE], bench.within(9)) == 0
    assert spawn.before == "<" + hay.decode() * 2


@pytest.mark.parametrize("chunk", [80, 1000, 1 << 16])
def test_five_megabytes_cost_linear_work(bench: Bench, chunk: int) -> None:
    total = 5_000_000
    script: list[Chunk] = [(0.0, b"[    1.000000] not it\r\n" * (chunk // 23 + 1))]
    count = total // len(script[0][1])
    spawn = bench.spawn(script * count + [(0.0, b"needle")])
    assert spawn.expect_any([NEEDLE], bench.within(60)) == 0
    reads = max(count, total // MAX_READ)
    assert spawn.examined <= total + (reads + count + 10) * LOOKBACK
    assert spawn.position > total * 0.9


def test_memory_before_the_match_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BEFORE_CAP", 10 * SEARCH_WINDOW)
    spawn = bench.spawn([(0.01, b"x" * SEARCH_WINDOW)] * 100 + [(1, b"needle")])
    assert spawn.expect_any([NEEDLE], bench.within(60)) == 0
    assert spawn.before is not None
    assert len(spawn.before) <= 11 * SEARCH_WINDOW
    assert spawn.trimmed + len(spawn.before) == 100 * SEARCH_WINDOW


def test_skip_passes_over_all_that_came(bench: Bench) -> None:
    spawn = bench.spawn([(1, b"needle one "), (5, b"needle two")])
    assert spawn.expect_any([re.compile("nothing")], bench.within(2)) is Ending.TIMEOUT
    spawn.skip()
    started = bench.clock.now
    assert spawn.expect_any([NEEDLE], bench.within(9)) == 0
    assert bench.clock.now > started
    assert spawn.before == ""


def test_two_readers_take_nothing_from_each_other(bench: Bench) -> None:
    first = bench.spawn([(1, b"needle")])
    second = RecorderSpawn(first.recorder, start=3)
    assert first.expect_any([NEEDLE], bench.within(5)) == 0
    assert second.expect_any([re.compile("^dle")], bench.within(5)) == 0


def test_on_a_real_recorder(tmp_path: Path) -> None:
    stream = QueueStream()
    with ConsoleRecorder(stream, tmp_path) as recorder:
        spawn = RecorderSpawn(recorder, start=0)
        stream.feed(b"hay ")
        stream.feed(b"needle")
        assert spawn.expect_any([NEEDLE], Deadline.after(SECONDS)) == 0
        spawn.sendline("yes")
        assert stream.written == b"yes\r"
        stream.fail(HostLost("connection reset"))
        with pytest.raises(HostLost):
            spawn.expect_any([NEEDLE], Deadline.after(SECONDS))
