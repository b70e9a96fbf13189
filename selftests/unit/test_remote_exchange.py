"""Output that comes late: sshd may tell a command's end before its last words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import cast

import paramiko
import pytest

from harness.errors import TooMuchOutput
from harness.remote import sshchannel
from harness.remote.sshchannel import Exchange
from harness.remote.sshlink import Transport
from harness.wait import Deadline


class Buffer:
    """One of a channel's two buffers: only the bell matters here."""

    def set_event(self, bell: threading.Event) -> None:
        self.bell = bell


class FakeChannel:
    """What a server sends, each piece when it is its turn."""

    def __init__(self) -> None:
        self.in_buffer, self.in_stderr_buffer = Buffer(), Buffer()
        self.data = b""
        self.closed = self.eof_received = False
        self.exit_status = -1

    def exit_status_ready(self) -> bool:
        return self.exit_status >= 0

    def recv_ready(self) -> bool:
        return bool(self.data)

    def recv(self, size: int) -> bytes:
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def recv_stderr_ready(self) -> bool:
        return False

    def get_id(self) -> int:
        return 0

    def shutdown_write(self) -> None:
        pass


class FakeTransport:
    def __init__(self) -> None:
        self.exit_signals: dict[int, int] = {}


Server = Callable[[FakeChannel], Iterator[float]]


def held(server: Server, channel: FakeChannel | None = None) -> tuple[int | None, bytes]:
    """Status and output of a command of *server*, which yields how long it waits."""
    channel = channel or FakeChannel()
    exchange = Exchange(cast(paramiko.Channel, channel), cast(Transport, FakeTransport()))

    def serve() -> None:
        for pause in server(channel):
            channel.in_buffer.bell.set()
            time.sleep(pause)
        channel.in_buffer.bell.set()

    thread = threading.Thread(target=serve)
    thread.start()
    status = exchange.hold(None, Deadline.after(timedelta(seconds=20)))
    thread.join()
    return status, bytes(exchange.stdout)


def test_last_words_after_the_exit_status() -> None:
    """An overloaded dom0 took longer than 0.2 s: `xl list` seemed to say nothing."""

    def server(channel: FakeChannel) -> Iterator[float]:
        channel.data = b"first "
        yield 0.1
        channel.exit_status = 0
        yield 0.7
        channel.data = b"last"
        yield 0.1
        channel.eof_received = True

    assert held(server) == (0, b"first last")


def test_a_daemon_that_holds_the_output_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sshchannel, "LINGER", 0.5)

    def server(channel: FakeChannel) -> Iterator[float]:
        yield 1.0  # silent for longer than that before it ends
        channel.data, channel.exit_status = b"said", 3

    assert held(server) == (3, b"said")


class Sudden(FakeChannel):
    """All arrives, and the channel is closed, between two looks at it."""

    def recv_ready(self) -> bool:
        ready = super().recv_ready()
        if not self.closed:
            self.data, self.exit_status, self.closed = b"all of it", 0, True
        return ready


def test_what_comes_together_with_the_end_is_not_lost() -> None:
    assert held(lambda _: iter(()), Sudden()) == (0, b"all of it")


class Endless(FakeChannel):
    """A guest that never stops talking."""

    def recv_ready(self) -> bool:
        return True

    def recv(self, size: int) -> bytes:
        return bytes(size)


def test_a_command_without_an_end_to_its_output_does_not_fill_the_memory() -> None:
    with pytest.raises(TooMuchOutput):
        held(lambda _: iter(()), Endless())
