"""Reads GRUB legacy's menu.lst, with the magic comments by which Debian's update-grub goes.

Lines are joined as get_line_from_config() in stage2/stage2.c of GRUB 0.97 does it: a backslash at
the end makes the next line part of this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.grub import commands
from harness.grub.model import Entry, Form, Load, Menu, Odd, Options, Serial, Word, Words

_WORD = re.compile(r"[^ \t\r\f\v]+")
_MAGIC = re.compile(r"# (?P<name>kopt(?:_\w+)?|xenhopt|xenkopt|defoptions)=(?P<value>.*)")
_START, _END = "## ## Start Default Options ##", "## ## End Default Options ##"
_NUMBER = re.compile(r"[0-9]{1,9}")


def read_legacy(text: str, file: str) -> Menu:
    """The menu in *text*."""
    reader = _Reader(file=file)
    for words in _logical_lines(text):
        reader.take(words)
    reader.end_entry()
    return Menu(
        file=file,
        form=Form.LEGACY,
        entries=tuple(reader.entries),
        default=reader.default,
        default_line=reader.default_line,
        serials=tuple(reader.serials),
        options=tuple(_magic(text, file)),
        elsewhere=reader.elsewhere,
    )


def _logical_lines(text: str) -> Iterator[list[Word]]:
    """The words of each line that is no comment; of lines that are joined, together."""
    words: list[Word] = []
    comment = joined = False
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip("\r")
        goes_on = line.endswith("\\")
        if not joined:
            comment = line.lstrip(" \t").startswith("#")
        if not comment:
            found = _WORD.findall(line.removesuffix("\\") if goes_on else line)
            words += (Word(word, number) for word in found)
        joined = goes_on
        if not goes_on:
            if words:
                yield words
            words = []
    if words:
        yield words


def _magic(text: str, file: str) -> Iterator[Options]:
    """The options that update-grub keeps in comments."""
    inside = False
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip()
        inside = line == _START or (inside and line != _END)
        if inside and (match := _MAGIC.fullmatch(line)):
            words = tuple(Word(word, number, file=file) for word in _WORD.findall(match["value"]))
            yield Options(
                words=words,
                for_xen=match["name"] == "xenhopt",
                source=f"# {match['name']}=",
                line=number,
                file=file,
            )


def _command(words: list[Word]) -> Words:
    """The words with the command first: ``default=0`` is ``default 0``."""
    name, mark, rest = words[0].text.partition("=")
    if not mark or name not in commands.LEGACY:
        return tuple(words)
    first = words[0]
    value = (Word(rest, first.line),) if rest else ()
    return (Word(name, first.line), *value, *words[1:])


@dataclass(kw_only=True)
class _Reader:
    file: str
    entries: list[Entry] = field(default_factory=list)
    serials: list[Serial] = field(default_factory=list)
    default: str | None = "0"
    default_line: int = 0
    elsewhere: bool = False
    _title: tuple[str, int] | None = None
    _body: list[Load | Odd] = field(default_factory=list)
    _chain: Load | None = None
    _roots: list[Word] = field(default_factory=list)

    def take(self, raw: list[Word]) -> None:
        words = _command(raw)
        name = words[0].text
        if name == "title":
            self.end_entry()
            self._title = (" ".join(word.text for word in words[1:]), words[0].line)
        elif name == "serial":
            self.serials.append(commands.serial_of(words))
        elif self._title is not None:
            self._in_entry(name, words)
        elif name == "default" and len(words) > 1:
            number = words[1].text
            self.default = number if _NUMBER.fullmatch(number) else None
            self.default_line = words[0].line

    def _in_entry(self, name: str, words: Words) -> None:
        if name in {"kernel", "initrd"} | commands.MODULES & commands.LEGACY:
            self._body.append(commands.load_of(words))
        elif name == "chainloader":
            self._chain = commands.load_of(words)
        elif name in {"root", "rootnoverify"}:
            self._roots += words[1:2]
        elif name == "configfile":
            self.elsewhere = True
        elif name not in commands.LEGACY:
            self._body.append(Odd(words=words))

    def end_entry(self) -> None:
        """What was read since the last title is an entry."""
        if self._title is None:
            return
        title, line = self._title
        self.entries.append(
            Entry(
                title=title,
                line=line,
                number=(len(self.entries),),
                body=tuple(self._body),
                chain=self._chain,
                roots=tuple(self._roots),
            )
        )
        self._title, self._body, self._chain, self._roots = None, [], None, []
