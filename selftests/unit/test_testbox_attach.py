"""A terminal on a console: a real pseudo-terminal, a real socket."""

from __future__ import annotations

import os
import socket
import termios
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.errors import LabError
from harness.testbox.attach import LEAVE, attach

TIMEOUT = 10


@dataclass(frozen=True, kw_only=True)
class Session:
    """Somebody at a terminal, and the machine at the other end."""

    keyboard: int
    """The user's end of the terminal."""
    terminal: int
    screen: int
    machine: socket.socket
    ended: Future[str]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    path = tmp_path / "console"
    keyboard, terminal = os.openpty()
    seen, screen = os.pipe()
    with socket.socket(socket.AF_UNIX) as server, ThreadPoolExecutor() as pool:
        server.bind(str(path))
        server.listen()
        server.settimeout(TIMEOUT)
        ended = pool.submit(attach, path, terminal, screen)
        machine, _ = server.accept()
        machine.settimeout(TIMEOUT)
        with machine:
            yield Session(
                keyboard=keyboard, terminal=terminal, screen=seen, machine=machine, ended=ended
            )
    for descriptor in (keyboard, terminal, seen, screen):
        os.close(descriptor)


def type_in(session: Session, keys: bytes) -> None:
    """Type when the terminal is raw: earlier, the line discipline would eat control keys."""
    session.machine.sendall(b"ready")
    assert os.read(session.screen, 5) == b"ready"
    os.write(session.keyboard, keys)


def leave(session: Session) -> str:
    os.write(session.keyboard, LEAVE)
    return session.ended.result(TIMEOUT)


def test_keys_go_to_the_machine_as_they_are_and_its_words_come_back(session: Session) -> None:
    type_in(session, b"ls\r\x03\x1a")
    assert session.machine.recv(100) == b"ls\r\x03\x1a"
    session.machine.sendall(b"\x1b[1mhello\r\n")
    assert os.read(session.screen, 100) == b"\x1b[1mhello\r\n"
    assert leave(session) == "left; it goes on running"


def test_what_was_typed_before_leaving_still_arrives(session: Session) -> None:
    type_in(session, b"halt" + LEAVE + b"never sent")
    assert session.ended.result(TIMEOUT) == "left; it goes on running"
    assert session.machine.recv(100) == b"halt"
    assert session.machine.recv(100) == b""


def test_the_end_of_the_machine_ends_it(session: Session) -> None:
    type_in(session, b"")
    session.machine.shutdown(socket.SHUT_RDWR)
    assert session.ended.result(TIMEOUT) == "the testbox has ended"


def test_the_terminal_is_as_it_was(tmp_path: Path, session: Session) -> None:
    raw = settings(session, after=b"ready")
    session.machine.close()
    session.ended.result(TIMEOUT)
    cooked = termios.tcgetattr(session.terminal)
    assert cooked[3] & termios.ICANON
    assert cooked[3] & termios.ECHO
    assert not raw[3] & termios.ICANON


def settings(session: Session, after: bytes) -> list[int]:
    session.machine.sendall(after)
    os.read(session.screen, len(after))
    found = termios.tcgetattr(session.terminal)
    return [flag for flag in found if isinstance(flag, int)]


def test_no_console_is_said(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"no console at .*/none: No such file.*is the testbox up"):
        attach(tmp_path / "none", 0, 1)
