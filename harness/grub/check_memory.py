"""``dom0_mem``: how much memory dom0 gets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.grub.model import Finding, Word
from harness.grub.resolve import Boot
from harness.grub.rules import Rule, finding

_PART = re.compile(
    r"(?:(?P<limit>min|max):)?-?"
    r"(?:(?P<number>0[xX][0-9a-fA-F]{1,16}|[0-9]{1,18})(?P<unit>[TtGgMmKkBb]?)"
    r"(?:\+[0-9]+%)?|[0-9]+%)"
)
"""As parse_amt() in xen/arch/x86/dom0_build.c: ``max:1G``, ``-512M``, ``25%``, ``1G+10%``."""
_LEAST = 64 << 10
"""KiB below which no dom0 has started for many years."""


def check_memory(boot: Boot) -> Iterator[Finding]:
    """What is wrong with ``dom0_mem``. It may stand there several times, each for another limit."""
    words = [word for word in boot.xen_words if word.name == "dom0_mem" and word.value]
    if not words or any(word.variables for word in words):
        return
    limits: set[str | None] = set()
    for word in words:
        for part in (word.value or "").split(","):
            match = _PART.fullmatch(part)
            if match is None:
                text = f"{part!r} is no size that dom0_mem takes"
                hint = "such as dom0_mem=1024M,max:1024M"
                yield finding(boot, word, Rule.BAD_VALUE, text, hint)
                return
            limits.add(match["limit"])
            if match["number"] and not match["unit"]:
                yield from _without_unit(boot, word, part, match["number"])
    if "max" not in limits:
        yield _without_maximum(boot, words[-1])


def _without_maximum(boot: Boot, word: Word) -> Finding:
    size = (word.value or "").split(",")[0].removeprefix("min:")
    if size.isdecimal() and int(size) < _LEAST:
        size += "M"
    text = f"{word.text!r} sets no maximum: dom0's kernel prepares for all of the host's memory"
    hint = f"write dom0_mem={size},max:{size}, unless dom0 is to grow"
    return finding(boot, word, Rule.DOM0_MEM_MAX, text, hint)


def _without_unit(boot: Boot, word: Word, part: str, number: str) -> Iterator[Finding]:
    size = int(number, 0) if number[:2].lower() == "0x" else int(number)
    if size < _LEAST:
        text = f"{part!r} is {size} KiB: a size without a unit is taken for KiB"
        hint = f"{part}M is {part} MiB; with so little dom0 does not start"
        yield finding(boot, word, Rule.DOM0_MEM_UNIT, text, hint)
