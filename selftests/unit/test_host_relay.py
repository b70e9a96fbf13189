"""Two hosts that talk by way of the controller."""

from __future__ import annotations

import threading
from collections import deque
from datetime import timedelta

import pytest

from harness.errors import DeadlineExceeded, HostLost, LabError
from harness.host.relay import Relay, carry, open_both
from harness.remote.command import Command
from harness.remote.fake import FakeRunner
from harness.wait import Deadline

SOON = timedelta(seconds=10)


class End:
    """One end: what it says, and what it hears. It ends when it has said all, or on a word."""

    def __init__(self, *says: bytes, until: bytes = b"", takes: int = 1 << 30) -> None:
        self.says = deque(says)
        self.until = until
        self.takes = takes
        self.heard = b""
        self.closed = threading.Event()
        self.error: LabError | None = None

    def read(self, size: int, timeout: timedelta) -> bytes | None:
        if self.says:
            return self.says.popleft()
        if self.closed.is_set() or not self.until or self.heard.endswith(self.until):
            return b""
        self.closed.wait(min(0.01, timeout.total_seconds()))
        return None

    def write(self, data: bytes) -> None:
        if self.error:
            raise self.error
        if len(self.heard) >= self.takes:
            msg = "it has ended and takes no more input"
            raise LabError(msg)
        self.heard += data

    def close(self) -> None:
        self.closed.set()


def test_what_one_says_the_other_hears_both_ways() -> None:
    source, sink = End(b"a", b"bc", until=b"ok"), End(b"ok", until=b"abc")
    assert carry(source, sink, Deadline.after(SOON)) == 3
    assert (source.heard, sink.heard) == (b"ok", b"abc")
    assert source.closed.is_set()
    assert sink.closed.is_set()


def test_two_commands_run_or_neither() -> None:
    one, other = FakeRunner("one"), FakeRunner("other")
    first, third = (one.on_open("^send$", []) for _ in range(2))
    second = other.on_open("^take$", [])
    send, take = Command.of("send"), Command.of("take")
    assert open_both((one, send), (other, take)) == (first, second)
    assert not first.closed
    with pytest.raises(LabError, match="no stream"):
        open_both((one, send), (other, take))
    assert third.closed


def test_a_source_that_has_ended_hears_no_more_and_is_read_to_its_end() -> None:
    source, sink = End(b"a", b"bc", takes=0), End(b"ready", until=b"abc")
    assert carry(source, sink, Deadline.after(SOON)) == 3
    assert sink.heard == b"abc"


def test_a_receiver_that_ends_early_ends_it() -> None:
    source, sink = End(*[b"x"] * 100, until=b"never"), End(takes=3)
    assert carry(source, sink, Deadline.after(SOON)) == 3
    assert source.closed.is_set()


def test_a_host_that_is_lost_is_told_of() -> None:
    source, sink = End(b"x", until=b"never"), End(until=b"never")
    sink.error = HostLost("gone")
    with pytest.raises(HostLost):
        carry(source, sink, Deadline.after(SOON))
    assert source.closed.is_set()


def test_nobody_waits_for_ever() -> None:
    source, sink = End(until=b"never"), End(until=b"never")
    with pytest.raises(DeadlineExceeded, match="0 bytes"):
        carry(source, sink, Deadline.after(timedelta(0)))
    assert sink.closed.is_set()


def test_a_relay_goes_on_until_either_ends() -> None:
    one, other = End(b"question", until=b"answer"), End(b"answer", until=b"question")
    relay = Relay(one, other)
    assert one.closed.wait(10)
    assert other.closed.wait(10)
    assert (one.heard, other.heard) == (b"answer", b"question")
    assert relay.over
    relay.close()
    going = Relay(End(until=b"never"), End(until=b"never"))
    assert not going.over
    going.close()
    assert going.over
