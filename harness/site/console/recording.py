"""Lines of a recorded console with the second in which each began.

They come out of ``console.cast`` (asciicast v2), which has what ``console.log`` has, and the times;
where there is none, or it is not to be read, out of the log, without times.
"""

from __future__ import annotations

import codecs
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from harness.console.transcript import BEGAN, CAST_NAME, LOG_NAME

HEAD = 8 << 20
TAIL = 24 << 20
"""Bytes: of a longer recording only so much of its begin and its end is shown."""
MAX_LINE = 4096
"""Characters. A longer line is cut, so that a console without line feeds can be shown."""
_CHUNK = 1 << 16
_LONGEST = 1 << 22
"""Bytes of one event: a recorder reads no more than 64 KiB at once, and JSON makes six of one."""
_HALF = 0.5
"""Where a header has whole seconds only, the truth is between this one and the next."""


class TimedLine(NamedTuple):
    """One line as it came, without its line feed."""

    text: str
    time: float | None
    """Seconds since the recording began; None when that is not known."""


class Gap(NamedTuple):
    """Something is left out here. *size*: bytes of the recording."""

    size: int


class Remark(NamedTuple):
    """The recorder's own words, such as that the console was attached again."""

    text: str
    time: float


Item = TimedLine | Gap | Remark


@dataclass(frozen=True, kw_only=True)
class Recording:
    """The console of one attempt of a job."""

    log: Path | None
    cast: Path | None
    began: float | None
    """Seconds since the epoch, of the cast's begin."""

    @classmethod
    def of(cls, folder: Path) -> Recording | None:
        """That in a job's directory; None when there is none."""
        log, cast = folder / LOG_NAME, folder / CAST_NAME
        began = _began(cast)
        if not log.is_file() and began is None:
            return None
        return cls(
            log=log if log.is_file() else None,
            cast=cast if began is not None else None,
            began=began,
        )

    @property
    def size(self) -> int:
        """Bytes of the console."""
        file = self.log or self.cast
        return file.stat().st_size if file else 0

    @property
    def stamp(self) -> tuple[int, int]:
        """Another one when it has grown."""
        found = (self.cast or self.log or Path()).stat()
        return found.st_mtime_ns, found.st_size

    def items(self) -> Iterator[Item]:
        """All there is to show, in order. Bounded, whatever the size of the files."""
        if self.cast:
            return _from_cast(self.cast)
        return _from_log(self.log) if self.log else iter(())


class _Cutter:
    """Makes lines of texts that end anywhere."""

    def __init__(self) -> None:
        self._rest = ""
        self._time: float | None = None

    def feed(self, text: str, time: float | None) -> Iterator[TimedLine]:
        """The lines that *text* completes."""
        first, *more = text.split("\n")
        yield from self._add(first, time)
        for line in more:
            yield from self.end()
            yield from self._add(line, time)
            self._time = time
        # An empty rest begins with whatever comes next.

    def end(self) -> Iterator[TimedLine]:
        """The line that is not complete yet, even if it is empty."""
        yield TimedLine(self._rest, self._time)
        self._rest = ""

    def last(self) -> Iterator[TimedLine]:
        """The same at the end of all: nothing if it is empty."""
        if self._rest:
            yield from self.end()

    def _add(self, text: str, time: float | None) -> Iterator[TimedLine]:
        if not self._rest:
            self._time = time
        text = self._rest + text
        while len(text) > MAX_LINE:
            yield TimedLine(text[:MAX_LINE], self._time)
            text, self._time = text[MAX_LINE:], time
        self._rest = text


def _from_cast(path: Path) -> Iterator[Item]:
    cutter = _Cutter()
    with path.open("rb") as file:
        file.readline()
        for line in _lines_but_the_middle(file):
            if isinstance(line, Gap):
                yield from cutter.last()
                yield line
                continue
            match _event(line):
                case (time, "o", text):
                    yield from cutter.feed(text, time)
                case (time, "m", text):
                    yield from cutter.last()
                    yield Remark(text, time)
                case _:
                    pass
    yield from cutter.last()


def _lines_but_the_middle(file: BinaryIO) -> Iterator[bytes | Gap]:
    """Lines of *file* from where it stands; those of its middle only if it is short."""
    end = os.fstat(file.fileno()).st_size
    gap = end - TAIL
    while line := file.readline(_LONGEST):
        yield line
        here = file.tell()
        if HEAD < here < gap:
            file.seek(gap)
            file.readline()
            yield Gap(file.tell() - here)
            gap = 0


def _event(line: bytes) -> tuple[float, str, str] | None:
    """One event; None when it is damaged, as the last one of a killed controller."""
    try:
        event = json.loads(line)
        time, code, text = event
        time = float(time)
    except (ValueError, TypeError, RecursionError):
        return None
    fine = isinstance(code, str) and isinstance(text, str) and math.isfinite(time)
    return (time, code, text) if fine else None


def _from_log(path: Path) -> Iterator[Item]:
    cutter = _Cutter()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with path.open("rb") as file:
        gap = os.fstat(file.fileno()).st_size - TAIL
        while data := file.read(_CHUNK):
            yield from cutter.feed(decoder.decode(data), None)
            here = file.tell()
            if HEAD < here < gap:
                yield from cutter.last()
                file.seek(gap)
                decoder.reset()
                yield Gap(gap - here)
                gap = 0
    yield from cutter.feed(decoder.decode(b"", final=True), None)
    yield from cutter.last()


def _began(cast: Path) -> float | None:
    """The time in the cast's header; None when it is no cast."""
    try:
        with cast.open("rb") as file:
            header = json.loads(file.readline(_CHUNK))
        began = header.get(BEGAN, header["timestamp"] + _HALF)
        return float(began) if header["version"] == 2 else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
