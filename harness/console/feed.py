"""pexpect on the recorder's feed: for dialogues (login, shell), not for whole boots.

pexpect by itself searches its whole buffer again at every read, which is quadratic
(pexpect issues 385 and 438), and measures time with a clock that may be set back. Here a
search looks at what is new and a fixed stretch before it, and time is the recorder's.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from enum import Enum
from io import StringIO
from typing import TYPE_CHECKING

from pexpect.exceptions import EOF, TIMEOUT
from pexpect.expect import Expecter, searcher_re
from pexpect.spawnbase import SpawnBase

from harness.console.recorder import ConsoleRecorder
from harness.secret import Secret
from harness.wait import Deadline

if TYPE_CHECKING:
    # Generic in its stubs only.
    _Spawn = SpawnBase[str]
    _Searcher = searcher_re[str]
else:
    _Spawn, _Searcher = SpawnBase, searcher_re

MAX_READ = 2048
SEARCH_WINDOW = 4 * MAX_READ
"""More than a read, or pexpect would drop the beginning of one unsearched."""
_Never = type[EOF] | type[TIMEOUT]

LOOKBACK = 1024
"""Characters before the new ones that a match may begin in. No pattern of ours is longer."""
BEFORE_CAP = 4 << 20
"""Characters kept as "before the match"; older ones are in console.log."""


class Ending(Enum):
    """How an `RecorderSpawn.expect_any` ended when no pattern matched."""

    TIMEOUT = "timeout"
    ENDED = "ended"


class RecorderSpawn(_Spawn):
    """A pexpect object that reads what *recorder* has stored, from position *start* on.

    Without *returns* it leaves out carriage returns, which a terminal puts at the end of each line.
    """

    _buffer: StringIO
    _before: StringIO

    def __init__(self, recorder: ConsoleRecorder, *, start: int, returns: bool = True) -> None:
        super().__init__(maxread=MAX_READ, searchwindowsize=SEARCH_WINDOW, encoding="utf-8")
        # Both would sleep, and for nothing: the recorder's thread does the reading.
        self.delaybeforesend = None
        self.delayafterread = None
        self.recorder = recorder
        self.position = start
        self._returns = returns
        self.trimmed = 0
        """Characters dropped from the front of ``before`` since the last match."""
        self.examined = 0
        """Characters that searches looked at so far; tests hold it against what was fed."""
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._deadline: Deadline | None = None
        self._last_position: int | None = None

    def expect_any(self, patterns: Sequence[re.Pattern[str]], deadline: Deadline) -> int | Ending:
        """The index of the pattern that matched first, or how the waiting ended.

        As with pexpect, ``before``, ``match`` and ``after`` tell the rest. What had come by
        the deadline is searched, even if the deadline has passed already.
        """
        self._deadline, self._last_position = deadline, None
        self.trimmed = 0
        searcher = _WindowSearcher(self, [*patterns, EOF, TIMEOUT])
        found = Expecter(self, searcher, self.searchwindowsize).expect_loop(None)
        if found < len(patterns):
            return found
        return Ending.ENDED if found == len(patterns) else Ending.TIMEOUT

    def read_nonblocking(self, size: int = 1, timeout: float | None = None) -> str:
        """The next characters; pexpect's `TIMEOUT` at the deadline, its `EOF` at the end."""
        while True:
            if not self._past_deadline():
                data = self.recorder.read(self.position, size)
                self.position += len(data)
                text = self._text.decode(data)
                if text := text if self._returns else text.replace("\r", ""):
                    self._trim()
                    return text
            more = self.recorder.wait(self.position, self._patience(timeout))
            if not more and self.recorder.ended and not self.recorder.wait(self.position, 0):
                self.flag_eof = True
                msg = "end of the console"
                raise EOF(msg)
            if not more or self._past_deadline():
                msg = "deadline"
                raise TIMEOUT(msg)

    def skip(self) -> None:
        """Pass over all that has come: what is expected next is an answer to what is sent next."""
        self._buffer, self._before = StringIO(), StringIO()
        self._text.reset()
        self.position = self.recorder.mark()

    def send(self, text: str) -> None:
        """Type *text* as it is."""
        self.recorder.write(text.encode())

    def sendline(self, text: str = "") -> None:
        """Type *text* and press Enter, which on a serial line is a carriage return."""
        self.send(text + "\r")

    def send_secret(self, secret: Secret) -> None:
        """Type *secret* and press Enter; nothing records it."""
        self.recorder.write(secret)

    def _patience(self, timeout: float | None) -> float:
        if self._deadline is not None:
            return self._deadline.remaining
        return timeout if timeout is not None and timeout >= 0 else 0.0

    def _past_deadline(self) -> bool:
        """Whether all that had come by the deadline was read."""
        if self._deadline is None or not self._deadline.expired:
            return False
        if self._last_position is None:
            self._last_position = self.recorder.mark()
        return self.position >= self._last_position

    def _trim(self) -> None:
        excess = self._before.tell() - BEFORE_CAP
        if excess > 0:
            kept = self._before.getvalue()[-BEFORE_CAP // 2 :]
            self.trimmed += self._before.tell() - len(kept)
            self._before = StringIO()
            self._before.write(kept)


class _WindowSearcher(_Searcher):
    """pexpect's searcher, looking only at what is new and `LOOKBACK` before it."""

    def __init__(self, spawn: RecorderSpawn, patterns: list[re.Pattern[str] | _Never]) -> None:
        super().__init__(patterns)
        self._spawn = spawn

    def search(
        self,
        buffer: str,
        freshlen: int,
        searchwindowsize: int | None = None,  # noqa: ARG002  (pexpect's name for it)
    ) -> int:
        window = min(len(buffer), freshlen + LOOKBACK)
        self._spawn.examined += window
        return int(super().search(buffer, freshlen, window))
