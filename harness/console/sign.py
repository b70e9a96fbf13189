"""A sign of failure: a line of the console, and the class that it betrays."""

from __future__ import annotations

import re
from dataclasses import dataclass

KERNEL = r"(?:^|\] )"
"""Where a kernel message begins: after its time (and caller), or at once without one."""


@dataclass(frozen=True, kw_only=True)
class Sign:
    """A cleaned line that betrays a class. *prompt*: the guest waits there, without line feed.

    Whatever *pattern* finds holds one of *hints*: short texts, by which most lines are passed
    over. A hint that begins with a rare character is the cheapest.
    """

    failure_class: str
    pattern: re.Pattern[str]
    hints: tuple[str, ...]
    sample: str
    prompt: bool = False

    def shows_in(self, text: str) -> bool:
        """Whether the cleaned line *text* holds it."""
        return any(map(text.__contains__, self.hints)) and bool(self.pattern.search(text))


def sign(failure_class: str, pattern: str, sample: str, *hints: str, prompt: bool = False) -> Sign:
    """A sign from its parts."""
    return Sign(
        failure_class=failure_class,
        pattern=re.compile(pattern),
        hints=hints,
        sample=sample,
        prompt=prompt,
    )
