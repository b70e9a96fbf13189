"""A real program on a real terminal, as a `Stream`: echo, CR LF and prompts are the kernel's."""

from __future__ import annotations

import os
import pty
import select
import signal
import termios
from contextlib import suppress
from datetime import timedelta

from harness.errors import LabError

ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "TERM": "linux", "LC_ALL": "C.UTF-8"}
LIFETIME = 60
"""Seconds after which the kernel ends the program, come what may."""


class PtyStream:
    """*argv* on a new terminal; without *echo* the terminal gives nothing back by itself."""

    def __init__(self, *argv: str, echo: bool = True) -> None:
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            signal.alarm(LIFETIME)
            os.execvpe(argv[0], argv, ENVIRONMENT)
        self._wake, self._waker = os.pipe()
        self._closed = False
        if not echo:
            flags = termios.tcgetattr(self._terminal)
            flags[3] &= ~termios.ECHO
            flags[1] &= ~termios.OPOST
            termios.tcsetattr(self._terminal, termios.TCSANOW, flags)

    def read(self, size: int, timeout: timedelta) -> bytes | None:
        """As `Stream.read`."""
        wait = timeout.total_seconds()
        ready, _, _ = select.select([self._terminal, self._wake], [], [], wait)
        if self._wake in ready:
            return b""
        if not ready:
            return None
        try:
            return os.read(self._terminal, size)
        except OSError:  # Linux reports the last program's end as EIO
            if self._pid:
                # It let go of the terminal while it ended, and may not have done so yet.
                os.waitpid(self._pid, 0)
                self._pid = 0
            return b""

    def write(self, data: bytes) -> None:
        """As `Stream.write`."""
        gone, _ = os.waitpid(self._pid, os.WNOHANG) if self._pid else (1, 0)
        if gone or self._closed:
            self._pid = 0
            msg = "the program on the terminal has ended and takes no more input"
            raise LabError(msg)
        while data:
            data = data[os.write(self._terminal, data) :]

    def close(self) -> None:
        """As `Stream.close`. The descriptors stay open until the object goes: a reader may
        still stand in `read`."""
        if self._closed:
            return
        self._closed = True
        os.write(self._waker, b"x")
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0

    def __del__(self) -> None:
        self.close()
        for descriptor in (self._terminal, self._wake, self._waker):
            os.close(descriptor)
