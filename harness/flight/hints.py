"""What the user probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LISTED = 12


def nearest(word: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known words most like *word*, best first; none when nothing is like it."""
    by_lower = {item.lower(): item for item in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=count, cutoff=0.6)
    return [by_lower[item] for item in found]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The tail of a message: ``; did you mean 'x'?``, or what is accepted instead."""
    words = list(known)
    near = nearest(word, words, count=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; accepted: {listed(words)}"


def listed(words: Iterable[str]) -> str:
    """Words with commas between, cut short when there are very many."""
    found = list(words)
    if not found:
        return "nothing"
    rest = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return ", ".join(found[:_LISTED]) + rest
