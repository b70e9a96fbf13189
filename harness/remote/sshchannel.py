"""One command over one SSH channel: its output, its input, its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import BinaryIO

import paramiko

from harness.errors import HostLost, LabError, TooMuchOutput
from harness.remote.outcome import MOST_OUTPUT
from harness.remote.sshlink import Transport, cause_of, give_up, has_died
from harness.wait import Deadline

HUNG_GRACE = timedelta(seconds=15)
"""When a channel cannot even be closed for this long, the whole connection is given up."""
WRITE_TIMEOUT = timedelta(seconds=30)

_CHUNK = 1 << 16
_SLICE = 0.2
"""Seconds between two looks at whether a silent command has ended."""
LINGER = 3.0
"""Seconds of silence after which a command that has ended is believed to have said all, although
its output was not closed: a child that it left behind holds it. sshd(8) may tell the exit status
before it has read the last output, and on an emulated host much later than one would think."""


class Bell(threading.Event):
    """Rings when either output of a channel has something or ends.

    A channel's two buffers would each silence it for the other, so only `rearm` does.
    """

    def clear(self) -> None:
        """Nothing: that a buffer is empty says nothing of the other."""

    def rearm(self) -> None:
        """Be silent until the next thing happens."""
        super().clear()


@contextmanager
def bounded(channel: paramiko.Channel, transport: Transport, deadline: Deadline) -> Iterator[None]:
    """Wake whoever is blocked on *channel* when *deadline* passes.

    paramiko waits without a bound for the reply to "exec", and for room to send. Closing the
    channel from another thread ends these waits; where even that is stuck, because the host takes
    no more bytes, the connection is closed a little later.
    """
    timers = [
        threading.Timer(deadline.remaining, close_channel, [channel]),
        threading.Timer(deadline.remaining + HUNG_GRACE.total_seconds(), give_up, [transport]),
    ]
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()


def close_channel(channel: paramiko.Channel) -> None:
    """Close a channel; never raises, and is harmless twice."""
    with suppress(OSError, EOFError, paramiko.SSHException):
        channel.close()


class Exchange:
    """A running command: collects both outputs while its input is sent."""

    def __init__(self, channel: paramiko.Channel, transport: Transport) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self._channel = channel
        self._transport = transport
        self._bell = Bell()
        channel.in_buffer.set_event(self._bell)
        channel.in_stderr_buffer.set_event(self._bell)

    def hold(self, source: BinaryIO | None, deadline: Deadline) -> int | None:
        """Send *source*, collect output, and give the exit status; None when time was up.

        `HostLost` when the connection died, `LabError` when *source* cannot be read,
        `TooMuchOutput` when there is no end to what comes.
        """
        feeder = None
        if source is None:
            with suppress(OSError, EOFError, paramiko.SSHException):
                self._channel.shutdown_write()
        else:
            feeder = Feeder(self._channel, source)
            feeder.start()
        ended = self._pump(deadline)
        if feeder is not None:
            feeder.check()
        return self._exit_status() if ended else None

    def _pump(self, deadline: Deadline) -> bool:
        """Collect output until the command has ended; False when the deadline came first."""
        silent_since = None
        while not deadline.expired:
            self._bell.rearm()
            # Asked before the last look at the output: what comes in between belongs to it.
            over, ended = self._over(), self._channel.exit_status_ready()
            if self._drain():
                silent_since = None
                continue
            if over:
                return True
            if ended:
                silent_since = silent_since or time.monotonic()
                if time.monotonic() - silent_since > LINGER:
                    return True
            # Nothing rings the bell for an exit status: _SLICE bounds how late it is seen.
            self._bell.wait(min(_SLICE, deadline.remaining))
        return False

    def _over(self) -> bool:
        """Whether nothing can come any more."""
        return bool(
            self._channel.closed
            or (self._channel.eof_received and self._channel.exit_status_ready())
        )

    def _exit_status(self) -> int:
        """0 to 255, or the negative number of a signal. `HostLost` when the connection died."""
        number = self._transport.exit_signals.pop(self._channel.get_id(), None)
        if number is not None:
            return -number
        status = self._channel.exit_status
        if status < 0:
            if not has_died(self._transport, EOFError()):
                msg = "the SSH server ended the session without an exit status"
                raise LabError(msg)
            raise HostLost(cause_of(self._transport))
        return status

    def _drain(self) -> bool:
        """Take what has arrived; whether there was anything."""
        some = False
        if self._channel.recv_ready():
            self.stdout += self._channel.recv(_CHUNK)
            some = True
        if self._channel.recv_stderr_ready():
            self.stderr += self._channel.recv_stderr(_CHUNK)
            some = True
        if len(self.stdout) + len(self.stderr) > MOST_OUTPUT:
            msg = f"it said more than {MOST_OUTPUT} bytes"
            raise TooMuchOutput(msg)
        return some


class Feeder(threading.Thread):
    """Sends a file as the input of a command, as fast as the host takes it."""

    def __init__(self, channel: paramiko.Channel, source: BinaryIO) -> None:
        super().__init__(name="ssh stdin feeder", daemon=True)
        self._channel = channel
        self._source = source
        self._error: Exception | None = None

    def run(self) -> None:
        """Send all; a command that does not want all of it is no error."""
        while True:
            try:
                block = self._source.read(_CHUNK)
            except (OSError, ValueError, EOFError) as error:
                self._error = error
                break
            try:
                if not block:
                    self._channel.shutdown_write()
                    return
                self._channel.sendall(block)
            except (OSError, EOFError, paramiko.SSHException):
                return
        # Half a file must not look like a whole one.
        close_channel(self._channel)

    def check(self) -> None:
        """`LabError` if the file could not be read."""
        if self._error is not None:
            msg = f"cannot read what was to be sent: {self._error}"
            raise LabError(msg) from self._error


class SshStream:
    """A command on a host that goes on running (`harness.remote.command.Stream`).

    What it says on stderr comes in the stream too. One thread may read while another writes.
    """

    def __init__(
        self,
        channel: paramiko.Channel,
        transport: Transport,
        what: str,
        sweep: Callable[[], None],
    ) -> None:
        self._channel = channel
        self._transport = transport
        self._what = what
        self._sweep = sweep
        self._lock = threading.Lock()
        self._swept = False
        self._bell = Bell()
        # Only sending uses the channel's own timeout: reading never blocks in paramiko.
        channel.settimeout(WRITE_TIMEOUT.total_seconds())
        channel.in_buffer.set_event(self._bell)

    def read(self, size: int, timeout: timedelta) -> bytes | None:
        """Up to *size* bytes; ``b""`` at the end; None if none came within *timeout*."""
        until = time.monotonic() + timeout.total_seconds()
        while True:
            self._bell.rearm()
            if self._channel.recv_ready():
                return self._channel.recv(size)
            if self._channel.closed or self._channel.eof_received:
                # What arrived just before the end was not there a moment ago.
                return self._channel.recv(size) if self._channel.recv_ready() else b""
            if not self._bell.wait(max(0.0, until - time.monotonic())):
                return None

    def write(self, data: bytes) -> None:
        """Send all of *data*; `HostLost` or `LabError` when that is impossible."""
        try:
            self._channel.sendall(data)
        except TimeoutError as error:
            msg = f"{self._what} took no input for {WRITE_TIMEOUT.total_seconds():g} s"
            raise LabError(msg) from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            if has_died(self._transport, error):
                msg = f"{self._what}: {cause_of(self._transport)}"
                raise HostLost(msg) from error
            msg = f"{self._what} has ended and takes no more input"
            raise LabError(msg) from error

    def close(self) -> None:
        """End it and its children on the host; never raises, and is harmless twice."""
        close_channel(self._channel)
        with self._lock:
            if self._swept:
                return
            self._swept = True
        if not self._channel.status_event.is_set() or self._channel.exit_status < 0:
            self._sweep()
