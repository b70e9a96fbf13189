"""The console on disk: ``console.log`` (raw bytes) and ``console.cast`` (asciicast v2).

Format of the cast: https://docs.asciinema.org/manual/asciicast/v2/
"""

from __future__ import annotations

import codecs
import json
import threading
from pathlib import Path

from harness.errors import LabError

LOG_NAME = "console.log"
CAST_NAME = "console.cast"
WIDTH, HEIGHT = 80, 24
BEGAN = "began"
"""A key of our own in the cast's header: its timestamp is whole seconds, by the format."""


class Transcript:
    """Writes both files; every call is on disk, as far as this process goes, when it returns.

    Raises `LabError` when the directory already holds a console: evidence is never
    overwritten.
    """

    def __init__(self, directory: Path, *, timestamp: float, title: str) -> None:
        self._lock = threading.Lock()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.path = directory / LOG_NAME
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._log = self.path.open("xb", buffering=0)
        except OSError as error:
            msg = f"cannot record a console in {directory}: {error.strerror or error}"
            raise LabError(msg) from error
        self._cast = (directory / CAST_NAME).open("w", encoding="utf-8", newline="\n")
        header = {"version": 2, "width": WIDTH, "height": HEIGHT, "timestamp": int(timestamp)}
        self._line({**header, "title": title, BEGAN: round(timestamp, 3)})

    def output(self, data: bytes, seconds: float) -> None:
        """Bytes the guest printed, *seconds* after the recording began."""
        with self._lock:
            self._write_log(data)
            if text := self._decoder.decode(data):
                self._line([round(seconds, 6), "o", text])

    def input(self, data: bytes, seconds: float) -> None:
        """Bytes sent to the guest."""
        with self._lock:
            self._line([round(seconds, 6), "i", data.decode("utf-8", "replace")])

    def marker(self, text: str, seconds: float) -> None:
        """A remark in the cast; the raw log has no room for one. Ends a half character."""
        with self._lock:
            if rest := self._decoder.decode(b"", final=True):
                self._line([round(seconds, 6), "o", rest])
            self._decoder.reset()
            self._line([round(seconds, 6), "m", text])

    def read(self, position: int, size: int) -> bytes:
        """Bytes of the log, from the disk."""
        with self.path.open("rb") as file:
            file.seek(position)
            return file.read(size)

    def close(self) -> None:
        """Close both files; harmless twice."""
        with self._lock:
            self._log.close()
            self._cast.close()

    def _write_log(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            # An unbuffered file may take less than it was given.
            rest = rest[self._log.write(rest) or 0 :]

    def _line(self, event: object) -> None:
        self._cast.write(json.dumps(event, ensure_ascii=False) + "\n")
        self._cast.flush()
