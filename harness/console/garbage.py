"""Noise instead of text: the wrong console, two readers of one, memory gone bad.

The stream is judged in blocks of fixed places, so that how it was split into reads makes no
difference, and nothing is kept but the block that is not complete yet.
"""

from __future__ import annotations

from harness.console.text import clean_line, decode
from harness.console.verdicts import Finding, finding

BLOCK = 4096
"""Bytes. A second of a serial line at 38400 baud, and a tenth of what a boot prints."""
NOISY = 0.4
"""The share of a block that is noise. Of random bytes half are, and of what comes at a wrong
baud rate more; of a text with umlauts in Latin-1 a fifth, and less of a firmware's menu with
its frames in an old code page."""
ENOUGH = 64
"""Bytes below which nothing is said of the block that is not complete."""
SHOWN = 60
"""Characters of the noise that a finding quotes."""
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_CONTROLS = bytes({*range(0x20), 0x7F} - set(b"\a\b\t\n\v\f\r\x0e\x0f\x1b"))
"""Control characters that no terminal acts on."""


def noise(data: bytes) -> int:
    """How many bytes of *data* are neither UTF-8 nor anything that a terminal acts on."""
    controls = len(data) - len(data.translate(None, _CONTROLS))
    if data.isascii():
        return controls
    return controls + decode(data).count(_REPLACEMENT)


class GarbageMeter:
    """Feed it the stream from position *start* on; it finds blocks that are mostly noise."""

    def __init__(self, start: int = 0) -> None:
        self._begin = start
        self._block = bytearray()

    def feed(self, data: bytes) -> Finding | None:
        """The first noisy block that *data* completes."""
        found: Finding | None = None
        rest = memoryview(data)
        while rest:
            taken = rest[: BLOCK - len(self._block)]
            self._block += taken
            rest = rest[len(taken) :]
            if len(self._block) == BLOCK:
                found = found or self.rest()
                self._begin += BLOCK
                self._block.clear()
        return found

    def rest(self) -> Finding | None:
        """The block that is not complete, if it is noisy: for when no more comes."""
        block = bytes(self._block)
        if len(block) < ENOUGH or noise(block) < NOISY * len(block):
            return None
        worst = max(block.split(b"\n"), key=noise)
        return finding("garbage", clean_line(decode(worst)).strip()[:SHOWN], self._begin)
