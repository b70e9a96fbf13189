"""Texts that must not be shown: in no log, no report and no traceback.

Whatever shows text that others had a hand in masks it. What a `Secret` holds is known to this
process from then on; no report is made anywhere else but of what this process hands over.
"""

from __future__ import annotations

from dataclasses import dataclass

REDACTED = "[secret]"
LASTING = 12
"""Letters from which on a secret is looked for everywhere. A shorter one (a guest whose password
is ``root``) would be found in texts that have nothing to do with it."""

_known: set[str] = set()


@dataclass(frozen=True, repr=False)
class Secret:
    """A text that must not be shown. Tracebacks and logs see ``Secret(...)`` only."""

    value: str

    def __post_init__(self) -> None:
        if len(self.value) >= LASTING:
            _known.add(self.value)

    def __repr__(self) -> str:
        return "Secret(...)"


def mask(text: str) -> str:
    """*text* without any secret that is known here."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return text


def mask_error(error: BaseException) -> None:
    """Take secrets out of all that *error*, and those that led to it, say of themselves.

    Only the message of an exception group cannot be changed; those of ours are fixed words.
    """
    todo, seen = [error], set[int]()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        one.args = tuple(_masked(value) for value in one.args)
        for name, value in vars(one).items():
            if isinstance(value, str):
                setattr(one, name, mask(value))
        if isinstance(one, BaseExceptionGroup):
            todo += one.exceptions
        todo += filter(None, (one.__cause__, one.__context__))


def _masked(value: object) -> object:
    return mask(value) if isinstance(value, str) else value
