"""Boot menus as GRUB itself reads them: which entry it takes, and what that loads.

Only what menus are usually made of is followed (grub-mkconfig's, and those written by hand); what
depends on more than the file gives a doubt, never a guess.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field, replace
from itertools import pairwise

# The rest begins with no space, so that there is one way only to read a long row of them.
_ENTRY = re.compile(r"^menuentry\s+(?P<rest>(?:\S.*)?)\{\s*$")
_SUBMENU = re.compile(r"^submenu\s+(?P<rest>(?:\S.*)?)\{\s*$")
_SET = re.compile(r"^set\s+(?P<name>\w+)=(?P<value>.*)$")
_LINUX = frozenset({"linux", "linux16", "linuxefi"})
_INITRD = frozenset({"initrd", "initrd16", "initrdefi"})
_DEVICE = re.compile(r"^\((?P<device>[^)]*)\)(?P<path>/.*)$")
_NUMBER = re.compile(r"[0-9]{1,9}")
_DEEPEST = 16
"""Submenus in submenus whose places are told apart."""
_LONGEST = 4096
"""Characters of a line that is looked into: shlex takes its time."""
_VARIABLE = re.compile(r"\$\{?\w+\}?")


@dataclass(frozen=True, kw_only=True)
class Search:
    """A ``search`` command that sets $root. *by*: ``fs-uuid``, ``label`` or ``file``."""

    by: str
    value: str

    def __str__(self) -> str:
        return f"{self.by} {self.value}"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An entry of a menu."""

    title: str
    id: str = ""
    number: tuple[int, ...] = ()
    """Its place: ``(1, 0)`` is the first one in the second line, a submenu."""
    kernel: str = ""
    initrds: tuple[str, ...] = ()
    args: str = ""
    search: Search | None = None
    device: str = ""
    """A GRUB device before the kernel's path, if one is written there."""


@dataclass(frozen=True, kw_only=True)
class GrubMenu:
    """A grub.cfg."""

    entries: tuple[Entry, ...]
    default: str = "0"
    """As written, or as the saved environment says; may be something that only GRUB knows."""
    search: Search | None = None
    """The last one before the entries: it sets $root for those that have none."""
    bls: bool = False
    """It calls ``blscfg``: its entries are in other files."""

    def chosen(self) -> tuple[Entry | None, str]:
        """The entry that GRUB takes when nobody is there, and a doubt about that."""
        if not self.entries:
            return None, ""
        last = self.default.rpartition(">")[2]
        for entry in self.entries:
            number = ">".join(map(str, entry.number))
            if self.default in {number, entry.title, entry.id} or last in {entry.title, entry.id}:
                return entry, ""
        if _NUMBER.fullmatch(self.default):
            # A submenu; GRUB takes the first entry in it.
            inside = [one for one in self.entries if one.number[0] == int(self.default)]
            if inside:
                return inside[0], ""
        first = self.entries[0]
        return (
            first,
            f"its default entry {self.default!r} is not in it; the first one was looked at",
        )


def words_of(line: str) -> list[str]:
    """The words of a line of GRUB's script."""
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return line.split()


def parse_menu(text: str, environment: str = "") -> GrubMenu:
    """Read a grub.cfg. *environment* is the text of its grubenv."""
    reading = _Reading(saved=_saved(environment))
    for line in text.splitlines():
        reading.line(line.strip())
    return GrubMenu(
        entries=tuple(reading.entries),
        default=reading.default,
        search=reading.search,
        bls=bool(re.search(r"^[ \t]*blscfg\b", text, re.MULTILINE)),
    )


def _saved(environment: str) -> str:
    match = re.search(r"^saved_entry=(.*)$", environment, re.MULTILINE)
    return match[1].strip() if match else ""


@dataclass(kw_only=True)
class _Reading:
    """Where the reading of a menu is."""

    saved: str
    entries: list[Entry] = field(default_factory=list)
    default: str = "0"
    search: Search | None = None
    _open: Entry | None = None
    _in_function: bool = False
    _counts: list[int] = field(default_factory=lambda: [0])

    def line(self, line: str) -> None:
        if not line or line.startswith("#") or len(line) > _LONGEST:
            return
        if self._in_function:
            self._in_function = not line.startswith("}")
        elif line.startswith("function "):
            self._in_function = True
        elif match := _ENTRY.match(line):
            self._begin(match["rest"])
        elif _SUBMENU.match(line):
            self._counts.append(0)
        elif line.startswith("}"):
            self._end()
        elif self._open is not None:
            self._open = _with_line(self._open, line)
        else:
            self._outside(line)

    def _begin(self, rest: str) -> None:
        words = words_of(rest)
        name = ""
        for mark, value in pairwise(words):
            if mark in {"--id", "$menuentry_id_option"}:
                name = value
        number = tuple(self._counts[:_DEEPEST])
        self._open = Entry(title=words[0] if words else "", id=name, number=number)

    def _end(self) -> None:
        if self._open is not None:
            self.entries.append(self._open)
            self._open = None
        elif len(self._counts) > 1:
            self._counts.pop()
        self._counts[-1] += 1

    def _outside(self, line: str) -> None:
        if match := _SET.match(line):
            value = "".join(words_of(match["value"]))
            if match["name"] == "default" and "next_entry" not in value:
                self.default = (self.saved or "0") if "saved_entry" in value else value
        elif found := _search(line):
            self.search = found


def _with_line(entry: Entry, line: str) -> Entry:
    command, _, rest = line.replace("\t", " ").partition(" ")
    if command in _LINUX:
        words = words_of(rest)
        match = _DEVICE.match(words[0]) if words else None
        path = match["path"] if match else "".join(words[:1])
        device = match["device"].replace("{", "").replace("}", "") if match else ""
        args = " ".join(word for word in words[1:] if not _VARIABLE.fullmatch(word))
        return replace(entry, kernel=path, args=args, device=device if device != "$root" else "")
    if command in _INITRD:
        paths = (_DEVICE.sub(r"\g<path>", word) for word in words_of(rest))
        return replace(entry, initrds=tuple(paths))
    found = _search(line)
    return replace(entry, search=found) if found else entry


def _search(line: str) -> Search | None:
    """A command ``search ... --set=root X`` or its short forms."""
    words = words_of(line)
    command = words[0] if words else ""
    short = {"search.fs_uuid": "fs-uuid", "search.fs_label": "label", "search.file": "file"}
    if command in short and len(words) > 1:
        sets_root = len(words) < 3 or words[2] == "root"
        return Search(by=short[command], value=words[1]) if sets_root else None
    if command != "search":
        return None
    by = next((kind for kind, marks in _KINDS.items() if marks & set(words)), "")
    values = [word for word in words[1:] if not word.startswith("-") and word != "root"]
    return Search(by=by, value=values[-1]) if by and values else None


_KINDS = {
    "fs-uuid": {"--fs-uuid", "-u"},
    "label": {"--label", "-l", "--fs-label"},
    "file": {"--file", "-f"},
}
