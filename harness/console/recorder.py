"""The recorder: the one owner of a console's byte stream.

It reads, stamps and writes to disk before anyone can match on what came. So the evidence
is whole however the run ends, and no reader can take bytes away from another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Protocol, Self

from harness.console.buffer import MEMORY_CAP, ConsoleBuffer
from harness.console.secret import Redactor
from harness.console.text import last_lines, lines_of
from harness.console.transcript import Transcript
from harness.errors import HostLost, LabError, XenflightError
from harness.remote.command import Stream
from harness.secret import Secret
from harness.wait import SYSTEM_CLOCK, Clock

_READ_SIZE = 1 << 16
_READ_TIMEOUT = timedelta(seconds=0.2)
"""Also how long a close may have to wait for the thread."""
_JOIN_SECONDS = 3.0
_DRAIN_READS = 64
_TAIL_BYTES = 1 << 16


class ConsoleRecorder:
    """Records *stream* into *directory* until it ends or `close` is called.

    *wall* gives the time of day for the cast's header. At most *memory* bytes stay in
    memory; readers that fall behind that are served from the file.
    """

    def __init__(
        self,
        stream: Stream,
        directory: Path,
        *,
        clock: Clock = SYSTEM_CLOCK,
        wall: Callable[[], float] = time.time,
        name: str = "console",
        memory: int = MEMORY_CAP,
    ) -> None:
        self.name = name
        self.clock = clock
        self._began = clock.monotonic()
        self._transcript = Transcript(directory, timestamp=wall(), title=name)
        self._buffer = ConsoleBuffer(memory)
        self._redactor = Redactor()
        self._stream = stream
        self._stop = threading.Event()
        self._writing = threading.Lock()
        self._fault: OSError | XenflightError | None = None
        self._thread = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def log_path(self) -> Path:
        """The raw log."""
        return self._transcript.path

    @property
    def elapsed(self) -> float:
        """Seconds since recording began."""
        return self.clock.monotonic() - self._began

    @property
    def ended(self) -> bool:
        """Whether the stream came to its end (or was lost)."""
        return self._buffer.ended

    @property
    def last_data(self) -> float | None:
        """Clock reading when data last came; None if the console never said anything."""
        return self._buffer.last_time

    def mark(self) -> int:
        """The position of the next byte to come, for `lines_since` and matchers."""
        return self._buffer.end

    def time_at(self, position: int) -> float:
        """Clock reading when the byte at *position* came."""
        found = self._buffer.time_at(position)
        return self._began if found is None else found

    def wait(self, position: int, timeout: float) -> bool:
        """Whether there is a byte at *position*, waiting up to *timeout* seconds for it.

        False at once when the stream has ended. Raises `HostLost` or `LabError` when it
        was lost rather than ended and nothing is left to read.
        """
        if self._buffer.wait(position, timeout):
            return True
        self._raise_fault()
        return False

    def read(self, position: int, size: int) -> bytes:
        """Up to *size* bytes from *position* on; nothing if they have not come yet."""
        data = self._buffer.read(position, size)
        if data is None:
            data = self._transcript.read(position, min(size, self._buffer.first - position))
        return data

    def lines_since(self, position: int) -> list[str]:
        """Cleaned lines from *position* to now."""
        return lines_of(self.read_all(position))

    def read_all(self, position: int) -> bytes:
        """Everything from *position* to now."""
        parts = []
        end = self.mark()
        while position < end and (data := self.read(position, end - position)):
            parts.append(data)
            position += len(data)
        return b"".join(parts)

    def tail(self, lines: int = 20) -> str:
        """The last *lines* lines, cleaned, for people."""
        return last_lines(self.read_all(max(0, self.mark() - _TAIL_BYTES)), lines)

    def write(self, data: bytes | Secret, *, secret: bool = False) -> None:
        """Type *data*. Secret input is recorded nowhere, and its echo is taken out.

        Raises `LabError` when the console is gone.
        """
        if isinstance(data, Secret) or secret:
            self._write_secret(data)
            return
        with self._writing:
            self._refuse_if_ended()
            self._transcript.input(data, self.elapsed)
            self._stream.write(data)

    def let_go(self) -> None:
        """Read what is left and end the stream; the files stay open for another: `attach`."""
        self._stop_thread()

    def attach(self, stream: Stream) -> int:
        """Go on with a new stream, in the same files: the console of a rebooted domain.

        The position of its first byte.
        """
        self._stop_thread()
        begins = self._buffer.end
        self._transcript.marker("console attached again", self.elapsed)
        self._fault = None
        self._stop = threading.Event()
        self._stream = stream
        self._buffer.reopen()
        self._thread = self._start()
        return begins

    def close(self) -> None:
        """Read what is left, end the stream, close the files. Never raises; bounded."""
        self._stop_thread()
        self._transcript.close()

    def _start(self) -> threading.Thread | None:
        thread = threading.Thread(
            target=self._record, args=(self._stream, self._stop), name=f"record-{self.name}"
        )
        thread.daemon = True
        thread.start()
        return thread

    def _stop_thread(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(_JOIN_SECONDS)
        self._stream.close()
        if self._thread:
            self._thread.join(_JOIN_SECONDS)
        self._buffer.finish()

    def _record(self, stream: Stream, stop: threading.Event) -> None:
        try:
            while not stop.is_set() and self._pump(stream, _READ_TIMEOUT):
                pass
            for _ in range(_DRAIN_READS if stop.is_set() else 0):
                if not (data := stream.read(_READ_SIZE, timedelta(0))):
                    break
                self._store(self._redactor.filter(data))
            self._store(self._redactor.flush())
        except (OSError, ValueError, XenflightError) as error:
            # A ValueError is a file closed under us by a close() that ran out of patience.
            if not stop.is_set():
                self._fault = LabError(str(error)) if isinstance(error, ValueError) else error
        finally:
            self._buffer.finish()

    def _pump(self, stream: Stream, timeout: timedelta) -> bool:
        """Read once; False at the end of the stream."""
        data = stream.read(_READ_SIZE, timeout)
        if data is None:
            return True
        self._store(self._redactor.filter(data))
        return bool(data)

    def _store(self, data: bytes) -> None:
        if data:
            at = self.clock.monotonic()
            self._transcript.output(data, at - self._began)
            self._buffer.append(data, at)

    def _write_secret(self, data: bytes | Secret) -> None:
        raw = (data.value + "\r").encode() if isinstance(data, Secret) else data
        with self._writing:
            self._refuse_if_ended()
            self._redactor.arm(raw)
            try:
                self._stream.write(raw)
            except XenflightError as error:
                # The frames below hold the secret in their arguments, and pytest prints those.
                raise error.with_traceback(None) from None
            finally:
                del raw, data

    def _refuse_if_ended(self) -> None:
        if self.ended:
            self._raise_fault()
            msg = f"cannot type on the console of {self.name}: it has ended"
            raise LabError(msg)

    def _raise_fault(self) -> None:
        if self._fault is not None and self.ended:
            msg = f"the console of {self.name} was lost: {self._fault}"
            kind = HostLost if isinstance(self._fault, HostLost) else LabError
            raise kind(msg) from self._fault


class Record(Protocol):
    """Begins to record a console; the class `ConsoleRecorder` does."""

    def __call__(self, stream: Stream, directory: Path, /, *, name: str) -> ConsoleRecorder:
        """Record *stream* into *directory*."""
        ...
