"""Which options Xen knows and which the dom0 kernel, and what another word may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from harness.grub.tables import Table, tables

_IGNORED = frozenset({"placeholder", "real-mode", "edid", "edd"})
"""Xen takes these and does nothing with them: ``ignore_param`` in xen/arch/x86/setup.c."""
_NO = "no-"
_LONGEST = 64
"""Characters of a word that is compared with others: difflib takes its time."""
_SHORTEST = 4
"""Of a word that may be a misspelt one: anything is like a shorter one."""
_SHORTEST_PART = 3
_ALIKE, _MAYBE_ALIKE = 0.85, 0.75
"""difflib's ratio: from the first on it is meant, from the second if the letters are the same."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Vocabulary:
    """The options of one of the two. *also* are words that are right, but never suggested."""

    owner: str
    tables: tuple[Table, ...]
    also: frozenset[str] = frozenset()
    kernel: bool = False

    def key(self, name: str) -> str:
        """The name as it is looked up: Linux takes hyphen and underscore for the same."""
        return name.replace("-", "_") if self.kernel else name.partition("[")[0]

    def listed(self, name: str) -> bool:
        """Whether the documentation has it."""
        return self.key(name) in _listed(self)

    def knows(self, name: str) -> bool:
        """Whether it is nothing to wonder about."""
        if self.listed(name) or self.key(name) in self.also:
            return True
        if self.kernel:
            # A module's parameter, or a program's own.
            return "." in name
        return name.startswith(_NO) and self.listed(name.removeprefix(_NO))

    def kinds(self, name: str) -> dict[str, str]:
        """What kind of option it is, by table; those that do not have it are left out."""
        keys = {self.key(name), self.key(name).removeprefix(_NO)} if not self.kernel else {name}
        return {
            table.title: table.options[key]
            for table in self.tables
            for key in keys
            if key in table.options
        }

    def titles(self) -> str:
        """``Xen 4.17 and Xen 4.20``, for messages."""
        return " and ".join(table.title for table in self.tables)


@cache
def _listed(vocabulary: Vocabulary) -> frozenset[str]:
    names = (name for table in vocabulary.tables for name in table.options)
    return frozenset(vocabulary.key(name) for name in names)


XEN = Vocabulary(owner="Xen", tables=tables("xen"), also=_IGNORED)
DOM0 = Vocabulary(
    owner="the dom0 kernel",
    tables=tables("linux"),
    also=frozenset(
        {name.replace("-", "_") for one in tables("userland") for name in one.options}
        # The boot loader's own, an old Xen kernel's, and one of kmod's (libkmod/libkmod-config.c).
        | {"BOOT_IMAGE", "xencons", "modprobe_blacklist"}
    ),
    kernel=True,
)


@dataclass(kw_only=True)
class Speller:
    """Finds what a word was meant to be; looks up each word once, and only *left* of them at all.

    The bound keeps a hostile file from taking all day.
    """

    left: int = 300
    _known: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def nearest(self, word: str, vocabulary: Vocabulary) -> str | None:
        """The option most like *word*, if any is."""
        return self.among(word, vocabulary.owner, _suggested(vocabulary))

    def among(
        self, word: str, what: str, names: Iterable[str], *, alike: float = _ALIKE
    ) -> str | None:
        """The same among *names*, which are always the same for *what*.

        *alike* may be less where nothing but these can be meant.
        """
        if (what, word) not in self._known:
            if self.left <= 0 or not _SHORTEST <= len(word) <= _LONGEST:
                return None
            self.left -= 1
            self._known[what, word] = _nearest(word, list(names), alike)
        return self._known[what, word]


def _nearest(word: str, names: list[str], alike: float) -> str | None:
    cutoff = min(alike, _MAYBE_ALIKE)
    for near in difflib.get_close_matches(word, names, n=3, cutoff=cutoff):
        if near in {f"no{word}", word.removeprefix("no"), word.replace("enable", "disable")}:
            # The contrary of an option is seldom a slip of the pen.
            continue
        ratio = difflib.SequenceMatcher(None, near, word).ratio()
        if ratio >= alike or sorted(near) == sorted(word):
            return near
    return None


@cache
def _suggested(vocabulary: Vocabulary) -> tuple[str, ...]:
    return tuple(sorted({name for table in vocabulary.tables for name in table.options}))


def unglued(word: str, vocabulary: Vocabulary) -> str | None:
    """*word* as two options when it is two without a blank between; None when it is not.

    ``console_to_ringcom1=19200,8n1`` is ``console_to_ring com1=19200,8n1``.
    """
    name, mark, value = word.partition("=")
    if vocabulary.listed(name):
        return _unglued_value(name, value, vocabulary)
    listed, key = _listed(vocabulary), vocabulary.key(name)
    if len(key) > _LONGEST:
        return None
    for at in range(_SHORTEST_PART, len(key) - _SHORTEST_PART + 1):
        if key[:at] in listed and key[at:] in listed:
            return f"{name[:at]} {name[at:]}{mark}{value}"
    return None


def _unglued_value(name: str, value: str, vocabulary: Vocabulary) -> str | None:
    """``dom0_mem=1024Mloglvl=all``: before the second ``=`` an option's name ends."""
    first, mark, rest = value.partition("=")
    if not mark or len(first) > _LONGEST:
        return None
    for at in range(1, len(first) - _SHORTEST):
        if first[at - 1].isalnum() and vocabulary.listed(first[at:]):
            return f"{name}={first[:at]} {first[at:]}={rest}"
    return None
