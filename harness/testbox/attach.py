"""A person's terminal on a testbox's serial console."""

from __future__ import annotations

import os
import selectors
import socket
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import LabError

LEAVE = b"\x1d"
LEAVE_NAME = "Ctrl-]"
_CHUNK = 1 << 16


def attach(console: Path, keyboard: int, screen: int) -> str:
    """Join the terminal and the socket *console* until `LEAVE` is typed; says why it ended.

    *keyboard* and *screen* are file descriptors; the keyboard is raw meanwhile, and as it was
    afterwards, whatever happens.
    """
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(console))
        except OSError as error:
            msg = f"no console at {console}: {error.strerror}"
            raise LabError(msg, hint="is the testbox up?") from error
        with _raw(keyboard):
            return _join(line, keyboard, screen)


def _join(line: socket.socket, keyboard: int, screen: int) -> str:
    with selectors.DefaultSelector() as selector:
        selector.register(line, selectors.EVENT_READ)
        selector.register(keyboard, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                data = os.read(key.fd, _CHUNK)
                if key.fd == keyboard:
                    typed, left, _ = data.partition(LEAVE)
                    line.sendall(typed)
                    if left or not data:
                        return "left; it goes on running"
                elif not data:
                    return "the testbox has ended"
                else:
                    _write_all(screen, data)


def _write_all(screen: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(screen, view) :]


@contextmanager
def _raw(keyboard: int) -> Iterator[None]:
    if not os.isatty(keyboard):
        yield
        return
    before = termios.tcgetattr(keyboard)
    try:
        tty.setraw(keyboard)
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
