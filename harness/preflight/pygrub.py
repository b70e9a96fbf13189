"""Boot menus as pygrub(1) reads them: it knows less than GRUB, and stumbles over some lines.

By Xen's tools/pygrub/src (pygrub and GrubConf.py), as of 4.17.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MENUS = (
    "/boot/grub/grub.cfg",
    "/grub/grub.cfg",
    "/boot/grub2/grub.cfg",
    "/grub2/grub.cfg",
)
"""GRUB's menus, in the order in which pygrub looks for them."""
OTHER_MENUS = (
    "/boot/isolinux/isolinux.cfg",
    "/boot/extlinux/extlinux.conf",
    "/boot/extlinux.conf",
    "/extlinux/extlinux.conf",
    "/extlinux.conf",
    "/boot/grub/menu.lst",
    "/boot/grub/grub.conf",
    "/grub/menu.lst",
    "/grub/grub.conf",
)
"""Those it looks for next, which are not followed here."""
MOST = 1 << 20
"""Bytes that it reads of a menu."""
MOST_PARTITIONS = 4
"""Of an MBR: it does not look into an extended partition."""

# pygrub's own, for what comes before the last brace of a line: with one at its end there is nothing
# to try twice.
_ENTRY = re.compile(r"^menuentry [\"'](.*?)[\"'] (.*){")
_DISK = re.compile(r"\(?(?:/dev/xvd[a-z]|..\d+)(?:,(?:msdos|gpt)?\d+)?\)?")
_NUMBER = re.compile(r"[0-9]{1,9}")
_QUOTED = re.compile(r"([\"'])(.*)\1")


class PygrubError(Exception):
    """pygrub gives up on this menu; the message says over what."""


@dataclass(kw_only=True)
class PygrubEntry:
    """An entry as pygrub understands it."""

    title: str
    kernel: str = ""
    initrd: str = ""
    args: str = ""


@dataclass(kw_only=True)
class _Menu:
    """A menu, read line by line."""

    entries: list[PygrubEntry] = field(default_factory=list)
    default: int = 0
    timeout: str = "-1"
    _open: PygrubEntry | None = None
    _in_function: bool = False
    _level: int = 0

    def line(self, line: str) -> None:
        """Take one that is neither empty nor a comment."""
        if line.startswith("function"):
            self._in_function = True
        elif self._in_function:
            self._in_function = not line.startswith("}")
        elif match := _ENTRY.match(line[: line.rfind("{") + 1]):
            self.ended("a menuentry stands inside another")
            self._open = PygrubEntry(title=match[1])
        elif line.startswith("submenu"):
            self._level += 1
        elif line.startswith("}"):
            self._close()
        elif self._open is not None:
            _in_entry(self._open, line)
        else:
            self._outside(line)

    def ended(self, otherwise: str) -> None:
        """`PygrubError` when an entry is open."""
        if self._open is not None:
            raise PygrubError(otherwise)

    def _close(self) -> None:
        if self._open is not None:
            self.entries.append(self._open)
            self._open = None
            return
        if not self._level:
            msg = "a brace is closed that was not opened by a menuentry"
            raise PygrubError(msg)
        self._level -= 1

    def _outside(self, line: str) -> None:
        name, value = _setting(line)
        if name == "timeout":
            self.timeout = value
        elif name == "default":
            if re.fullmatch(r"-\d+", value):
                msg = f"it stumbles over the default {value}"
                raise PygrubError(msg)
            # What it does not know (a title, a saved entry) counts as the first.
            self.default = int(value) if _NUMBER.fullmatch(value) else 0


def choose(content: bytes) -> PygrubEntry:
    """The entry that pygrub boots from the grub.cfg with this *content*; or `PygrubError`."""
    try:
        text = content[:MOST].decode()
    except UnicodeDecodeError as error:
        msg = "it is not UTF-8"
        raise PygrubError(msg) from error
    menu = _parse(text)
    if not menu.entries:
        msg = "it has no menuentry that pygrub sees"
        raise PygrubError(msg)
    try:
        # Whatever it is, 0 and -1 too, the menu goes on when nobody presses a key.
        int(menu.timeout)
    except ValueError as error:
        msg = f"it stumbles over the timeout {menu.timeout!r}"
        raise PygrubError(msg) from error
    # An index past the end: pygrub takes the first.
    entry = menu.entries[menu.default if menu.default < len(menu.entries) else 0]
    if not entry.kernel:
        msg = f"the entry {entry.title!r} has no line `linux` that pygrub knows"
        raise PygrubError(msg)
    return entry


def _parse(text: str) -> _Menu:
    menu = _Menu()
    for line in (raw.strip() for raw in text.split("\n")):
        if line and not line.startswith("#"):
            menu.line(line)
    menu.ended("an entry does not end")
    return menu


def _setting(line: str) -> tuple[str, str]:
    """Name and value of ``set name=value``; empty for another line."""
    command, _, rest = line.partition(" ")
    if command != "set":
        return "", ""
    name, _, value = rest.strip().partition("=")
    match = _QUOTED.match(value)
    return name, (match[2] if match else value).strip()


def _in_entry(entry: PygrubEntry, line: str) -> None:
    command, _, rest = line.replace("\t", " ", 1).partition(" ")
    rest = rest.strip()
    if command in {"linux", "linux16"}:
        kernel, _, entry.args = rest.partition(" ")
        entry.kernel = _path(kernel)
        entry.args = entry.args.strip()
    elif command in {"initrd", "initrd16"}:
        entry.initrd = _path(rest)
    elif command == "set":
        name, value = _setting(line)
        if name == "root" and not _DISK.fullmatch(value):
            msg = f"it stumbles over `set root={value}`: it takes only disks such as hd0,gpt1"
            raise PygrubError(msg)


def _path(text: str) -> str:
    """Without a GRUB device in parentheses, which pygrub must understand though it ignores it."""
    if not text.startswith("("):
        return text
    device, closed, path = text.partition(")")
    if not closed or not _DISK.fullmatch(f"{device})"):
        msg = f"it stumbles over the device in {text!r}"
        raise PygrubError(msg)
    return path
