"""Conditions of GRUB 2's ``if``, as far as a file can tell: true, false, or known only at boot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.grub.script import expanded

_AT_BOOT = frozenset(
    {"?", "cmdpath", "config_directory", "grub_cpu", "grub_platform", "lang", "prefix", "root"}
)
"""Variables that GRUB sets itself, and what the last command gave."""
_FEATURES = "feature_"
"""What GRUB says of itself: ``y`` for each that it has; those of grub-mkconfig's files are old."""
_FILE_TESTS = frozenset({"-d", "-e", "-f", "-s"})
_MOST = 64
"""Words of a condition that is looked into."""


@dataclass(kw_only=True)
class Branch:
    """An ``if`` that is open. *active* is whether what stands here now is run at all."""

    outside: bool | None
    taken: bool | None = False
    """An earlier branch was: True, or maybe: None."""
    active: bool | None = None

    def begin(self, condition: bool | None) -> None:
        """A branch with this *condition* begins; ``else`` has a true one."""
        here = both(condition, negated(self.taken))
        self.active = both(self.outside, here)
        self.taken = either(self.taken, condition)


def negated(value: bool | None) -> bool | None:
    """Not, of three values."""
    return None if value is None else not value


def both(one: bool | None, other: bool | None) -> bool | None:
    """And, of three values."""
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def either(one: bool | None, other: bool | None) -> bool | None:
    """Or, of three values."""
    return negated(both(negated(one), negated(other)))


@dataclass(kw_only=True)
class Variables:
    """What variables have as values where a script is just now; None for what only GRUB knows."""

    known: dict[str, str | None] = field(default_factory=dict)

    def value(self, name: str) -> str | None:
        """Its value; empty where nothing ever sets it."""
        if name in self.known:
            return self.known[name]
        if name.startswith(_FEATURES):
            return "y"
        return None if name in _AT_BOOT else ""


def judge(words: Sequence[str], variables: Variables) -> bool | None:
    """What ``[ words ]`` or ``test words`` gives: -a, -o, !, =, !=, -z, -n and single words."""
    words = words[:_MOST]
    if words and words[0] in {"[", "test"}:
        inside = [word for word in words[1:] if word != "]"]
        return _or(inside, variables)
    return None


def _or(words: Sequence[str], variables: Variables) -> bool | None:
    result: bool | None = False
    for part in _cut(words, "-o"):
        and_: bool | None = True
        for term in _cut(part, "-a"):
            and_ = both(and_, _term(term, variables))
        result = either(result, and_)
    return result


def _cut(words: Sequence[str], at: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word == at:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _term(words: list[str], variables: Variables) -> bool | None:
    if words[:1] == ["!"]:
        return negated(_term(words[1:], variables))
    known = [_value(word, variables) for word in words]
    match known:
        case []:
            return False
        case [text]:
            return None if text is None else bool(text)
        case ["-z", text]:
            return None if text is None else not text
        case ["-n", text]:
            return None if text is None else bool(text)
        case [left, "=" | "==" | "!=" as operator, right]:
            if left is None or right is None:
                return None
            return (left == right) == (operator != "!=")
        case _:
            return None


def _value(word: str, variables: Variables) -> str | None:
    if word in _FILE_TESTS:
        return None
    return expanded(word, variables.value)
