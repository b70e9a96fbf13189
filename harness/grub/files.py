"""A directory that holds a host's files: a mounted root or /boot, or an unpacked image.

Nothing outside of it is ever looked at: links in it are followed as the host would follow them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.errors import UsageError
from harness.grub.model import Finding, Word
from harness.grub.resolve import Boot
from harness.grub.rules import Rule, finding
from harness.grub.vocabulary import Speller
from harness.preflight.files import Node, UnreadableError, find
from harness.remote.command import pairs_in

_GRUBENVS = ("boot/grub/grubenv", "grub/grubenv", "boot/grub2/grubenv", "grub2/grubenv")
_MOST_ENVIRONMENT = 1 << 16
_LONGEST = 4096


class HostFiles:
    """The `harness.preflight.files.Tree` below *root*. `UsageError` when that is no directory."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            msg = f"--root {root} is no directory"
            raise UsageError(msg, hint="name where the host's / or /boot is mounted or unpacked")
        self._top = root.resolve()
        self._listed: dict[str, Mapping[str, Node]] = {}

    @property
    def top(self) -> Node:
        """Its root directory."""
        return Node(key=str(self._top), mode=stat.S_IFDIR, size=0)

    def entries(self, directory: Node) -> Mapping[str, Node]:
        """What is in a directory, read once; no link is followed for it."""
        if directory.key not in self._listed:
            try:
                with os.scandir(directory.key) as found:
                    self._listed[directory.key] = {one.name: _node(one) for one in found}
            except OSError as error:
                msg = f"{directory.key} cannot be read: {error.strerror}"
                raise UnreadableError(msg) from error
        return self._listed[directory.key]

    def content(self, file: Node) -> bytes:
        """The beginning of a file."""
        try:
            descriptor = os.open(file.key, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as stream:  # noqa: PTH123  # it is a descriptor
                return stream.read(_MOST_ENVIRONMENT)
        except OSError as error:
            msg = f"{file.key} cannot be read: {error.strerror}"
            raise UnreadableError(msg) from error

    def target(self, link: Node) -> str:
        """Where a symbolic link leads."""
        try:
            return str(Path(link.key).readlink())
        except OSError as error:
            msg = f"{link.key} cannot be read: {error.strerror}"
            raise UnreadableError(msg) from error


def _node(entry: os.DirEntry[str]) -> Node:
    status = entry.stat(follow_symlinks=False)
    return Node(key=entry.path, mode=status.st_mode, size=status.st_size)


def environment(files: HostFiles) -> dict[str, str] | None:
    """The variables in the host's grubenv; None when it has none."""
    for name in _GRUBENVS:
        try:
            found = find(files, f"/{name}")
            if found and found[1].is_file:
                text = files.content(found[1]).decode("utf-8", "replace")
                pairs = pairs_in(text)
                return {key: value for key, value in pairs.items() if not key.startswith("#")}
        except UnreadableError:
            continue
    return None


def check_files(boot: Boot, files: HostFiles, speller: Speller) -> Iterator[Finding]:
    """Whether what an entry loads is there, and is a file with something in it."""
    for load in boot.loads:
        word = load.path
        if word is None or word.variables or len(word.text) > _LONGEST or "\0" in word.text:
            continue
        try:
            yield from _check(boot, word, files, speller)
        except UnreadableError as error:
            text = f"whether {word.text} is there cannot be told: {error}"
            yield finding(boot, word, Rule.MISSING_FILE, text)


def _check(boot: Boot, word: Word, files: HostFiles, speller: Speller) -> Iterator[Finding]:
    path = word.text.rpartition(")")[2] if word.text.startswith("(") else word.text
    places = list(dict.fromkeys(_places(path)))
    found = next((hit for place in places if (hit := find(files, place))), None)
    if found is None:
        near = _near(path, places, files, speller)
        text = f"{path} is not there" + (f"; did you mean {near}?" if near else "")
        yield finding(boot, word, Rule.MISSING_FILE, text, f"looked for: {', '.join(places)}")
    elif not found[1].is_file:
        yield finding(boot, word, Rule.MISSING_FILE, f"{path} is no ordinary file")
    elif not found[1].size:
        yield finding(boot, word, Rule.MISSING_FILE, f"{path} is empty")


def _places(path: str) -> Iterator[str]:
    """Where the file may be: GRUB's root may be the host's / or its /boot, and so may ours."""
    plain = f"/{path.lstrip('/')}"
    yield plain
    yield f"/boot{plain}"
    if plain.startswith("/boot/"):
        yield plain.removeprefix("/boot")
    first, _, rest = plain[1:].partition("/")
    if first.startswith("@") and rest:
        # A subvolume of btrfs.
        yield f"/{rest}"


def _near(path: str, places: list[str], files: HostFiles, speller: Speller) -> str | None:
    """A file of nearly that name, in the directory where it was expected."""
    folder, _, name = path.rpartition("/")
    for place in places:
        parent = place.rpartition("/")[0] or "/"
        found = find(files, parent)
        if found and found[1].is_dir:
            names = sorted(files.entries(found[1]))
            if near := speller.among(name, f"files in {parent}", names):
                return f"{folder}/{near}"
    return None
