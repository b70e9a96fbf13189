"""Which lines are worth a closer look: a coarse sieve before a hundred patterns.

Of a boot's lines one in ten is. The others are passed over at the speed of one search for
all hints at once, so that what a guest prints can be judged faster than it can come.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.console.hints import any_of
from harness.console.phases import LOGIN_HINT, PHASE_MARKS, XEN_MARK
from harness.console.text import clean_line, decode
from harness.console.verdicts import SIGNS

_CONTROLS = bytes(code for code in (*range(0x20), 0x7F) if code != ord("\t"))


class Sieve:
    """Lets lines through in which one of *hints* shows, once they are cleaned."""

    def __init__(self, hints: Iterable[str]) -> None:
        pattern = any_of(hints)
        self._in_text = re.compile(pattern)
        self._in_bytes = re.compile(pattern.encode())

    def pick(self, pieces: Iterable[tuple[int, bytes]]) -> list[tuple[int, str]]:
        """Of lines with their positions those with a hint, cleaned."""
        # This loop is where a long console's time goes: no calls but into C.
        in_bytes, in_text = self._in_bytes.search, self._in_text.search
        picked = []
        for position, line in pieces:
            body = line.strip(b"\r\n")
            # Without control characters there is nothing to clean: the common case.
            if len(body.translate(None, _CONTROLS)) == len(body):
                if in_bytes(body):
                    picked.append((position, decode(body)))
            elif in_text(text := clean_line(decode(body))):
                picked.append((position, text))
        return picked


BOOT_SIEVE = Sieve(
    [
        LOGIN_HINT,
        *(hint for mark in (*PHASE_MARKS, XEN_MARK) for hint in mark.hints),
        *(hint for sign in SIGNS for hint in sign.hints),
    ]
)
"""For every line that begins a phase, betrays a failure or asks for a login."""
