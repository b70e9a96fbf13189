"""Reads GRUB 2's grub.cfg, and parts of one, as they stand in /etc/grub.d/40_custom or in notes.

What is true only at boot is followed as far as the file tells (`harness.grub.conditions`);
functions are not run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from harness.errors import Place
from harness.grub import commands
from harness.grub.conditions import Branch, Variables, judge
from harness.grub.model import (
    Entry,
    Finding,
    Form,
    Load,
    Menu,
    Odd,
    Serial,
    Severity,
    Word,
    Words,
)
from harness.grub.script import Lexer, Statement, expanded, split

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_HINT = re.compile(r"--hint(?:-[a-z0-9]+)?")
_PREFIXES = frozenset({"then", "else", "do", "!", "time"})
_GOES_ON = frozenset({"blscfg", "configfile", "extract_entries_configfile"})
_KNOWN = commands.GRUB2 | commands.KEYWORDS
_DEEPEST = 16
"""Submenus in submenus whose places are told apart."""
_MOST_VALUES = 8
"""Values of one variable that are looked at as options."""


@dataclass(kw_only=True)
class _Draft:
    """An entry that is being read."""

    title: str
    line: int
    id: str
    number: tuple[int, ...]
    counts: bool
    body: list[Load | Odd] = field(default_factory=list)
    chain: Load | None = None
    searches: list[Word] = field(default_factory=list)
    roots: list[Word] = field(default_factory=list)
    values: dict[str, list[Words]] = field(default_factory=dict)
    behind_load: bool = False

    def done(self) -> Entry:
        return Entry(
            title=self.title,
            line=self.line,
            id=self.id,
            number=self.number,
            body=tuple(self.body),
            chain=self.chain,
            searches=tuple(self.searches),
            roots=tuple(self.roots),
            values=_frozen(self.values),
        )


def _frozen(values: Mapping[str, list[Words]]) -> dict[str, tuple[Words, ...]]:
    return {name: tuple(found) for name, found in values.items()}


@dataclass(kw_only=True)
class _Block:
    """What an open brace belongs to: ``menuentry``, ``submenu``, ``function`` or nothing."""

    kind: str
    line: int
    draft: _Draft | None = None


def read_grub2(text: str, file: str, environment: Mapping[str, str] | None = None) -> Menu:
    """The menu in *text*. *environment* is what its grubenv holds, when that is known."""
    known: dict[str, str | None] = dict(environment or {})
    if environment is None:
        known |= {"saved_entry": None}
    reader = _Reader(file=file, variables=Variables(known=known))
    lexer = Lexer(text=text)
    for statement in lexer.statements():
        reader.take(statement)
    reader.end()
    for line in lexer.unclosed[:1]:
        reader.problem(line, "the quote that is opened here is never closed: GRUB reads no further")
    for begin, end in lexer.long[:1]:
        what = f"the quote that is opened here is closed in line {end} only"
        reader.problem(begin, what, Severity.WARNING)
    return reader.menu()


@dataclass(kw_only=True)
class _Reader:
    file: str
    variables: Variables
    entries: list[Entry] = field(default_factory=list)
    serials: list[Serial] = field(default_factory=list)
    values: dict[str, list[Words]] = field(default_factory=dict)
    problems: list[Finding] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    default_line: int = 0
    elsewhere: bool = False
    blocks: list[_Block] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)
    branch_lines: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=lambda: [0])
    _draft: _Draft | None = None
    _in_function: int = 0

    def problem(self, line: int, text: str, severity: Severity = Severity.ERROR) -> None:
        place = Place(file=self.file, line=line)
        found = Finding(place=place, severity=severity, rule="syntax", message=text)
        self.problems.append(found)

    def menu(self) -> Menu:
        return Menu(
            file=self.file,
            form=Form.GRUB2,
            entries=tuple(self.entries),
            default=self.variables.value("default") if self.default_line else "0",
            default_line=self.default_line,
            serials=tuple(self.serials),
            values=_frozen(self.values),
            problems=tuple(self.problems),
            elsewhere=self.elsewhere,
        )

    @property
    def active(self) -> bool | None:
        """Whether a command here is run: None when only GRUB knows."""
        return self.branches[-1].active if self.branches else True

    def take(self, statement: Statement) -> None:
        if statement.mark == "}":
            self._close(statement.line)
            return
        words = statement.words
        if not self._in_function:
            while words and words[0].text in _PREFIXES:
                if words[0].text == "else" and self.branches:
                    self.branches[-1].begin(True)
                words = words[1:]
        if statement.mark:
            self._open(words, statement.line)
        elif words and not self._in_function:
            self._command(words)

    def end(self) -> None:
        for block in self.blocks:
            self.problem(block.line, f"the brace of this {block.kind} is never closed")
        for line in self.branch_lines:
            self.problem(line, "this `if` has no `fi`")
        # The outermost comes first in the file.
        self.entries += [block.draft.done() for block in self.blocks if block.draft]
        self.entries.sort(key=lambda entry: entry.line)

    def _open(self, words: Words, line: int) -> None:
        kind = words[0].text if words else "block"
        draft: _Draft | None = None
        if kind == "function" or self._in_function:
            self._in_function += 1
            self.functions |= {word.text for word in words[1:2]}
        elif kind == "menuentry":
            draft = self._draft = self._begin(words, line)
        elif kind == "submenu":
            self.counts.append(0)
        self.blocks.append(_Block(kind=kind, line=line, draft=draft))

    def _begin(self, words: Words, line: int) -> _Draft:
        texts = [word.text for word in words[1:]]
        name = ""
        for mark, value in pairwise(texts):
            if mark in {"--id", "${menuentry_id_option}"}:
                name = value
        return _Draft(
            title=texts[0] if texts else "",
            line=line,
            id=name,
            number=tuple(self.counts[:_DEEPEST]),
            counts=self.active is not False,
        )

    def _close(self, line: int) -> None:
        if not self.blocks:
            self.problem(line, "this brace closes nothing: GRUB refuses the whole file")
            return
        block = self.blocks.pop()
        if self._in_function:
            self._in_function -= 1
        elif block.draft:
            self._draft = None
            if block.draft.counts:
                self.entries.append(block.draft.done())
                self.counts[-1] += 1
        elif block.kind == "submenu":
            if len(self.counts) > 1:
                self.counts.pop()
            self.counts[-1] += 1

    def _command(self, words: Words) -> None:
        name = words[0].text
        if name in {"if", "elif", "fi"}:
            self._branch(name, words)
        elif name == "set" and len(words) > 1:
            self._assign(words[1])
        elif _ASSIGNMENT.match(name):
            self._maybe_assign(words)
        elif name == "serial":
            self.serials.append(commands.serial_of(words))
        elif name in _GOES_ON:
            self.elsewhere = True
        elif self._draft is not None:
            self._in_entry(self._draft, name, words)

    def _branch(self, name: str, words: Words) -> None:
        condition = judge([word.text for word in words[1:]], self.variables)
        if name == "if":
            self.branches.append(Branch(outside=self.active))
            self.branch_lines.append(words[0].line)
            self.branches[-1].begin(condition)
        elif not self.branches:
            self.problem(words[0].line, f"this `{name}` belongs to no `if`")
        elif name == "elif":
            self.branches[-1].begin(condition)
        else:
            self.branches.pop()
            self.branch_lines.pop()

    def _maybe_assign(self, words: Words) -> None:
        """``name=value``: an option line that lost its backslash looks like this, too."""
        draft = self._draft
        if draft and draft.behind_load:
            draft.body.append(Odd(words=words, assignment=True))
        else:
            self._assign(words[0])

    def _assign(self, word: Word) -> None:
        if self.active is False:
            return
        name, text = word.name, word.value or ""
        value = expanded(text, self.variables.value)
        if self.active is None and self.variables.known.get(name) != value:
            value = None
        if self._draft is None:
            # What an entry sets is set only when it is chosen.
            self.variables.known[name] = value
            if name == "default":
                self.default_line = word.line
        elif name == "root":
            self._draft.roots.append(Word(text, word.line, word.variables))
        values = self.values if self._draft is None else self._draft.values
        found = values.setdefault(name, [])
        if text and len(found) < _MOST_VALUES:
            found.append(split(Word(text, word.line, word.variables)))

    def _in_entry(self, draft: _Draft, name: str, words: Words) -> None:
        draft.behind_load = name in commands.LOADERS
        if name == "kernel":
            # GRUB legacy's word for it; GRUB 2 has none of that name.
            draft.body.append(Odd(words=words))
        elif name in commands.LOADERS:
            draft.body.append(commands.load_of(words))
        elif name == "chainloader":
            draft.chain = commands.load_of(words)
        elif name in {"search", "search.fs_uuid"}:
            draft.searches += _searched(words)
        elif name not in _KNOWN and name not in self.functions:
            draft.body.append(Odd(words=words))


def _searched(words: Words) -> Words:
    """The UUID that a ``search`` looks for."""
    texts = {word.text for word in words}
    if words[0].text == "search" and not texts & {"--fs-uuid", "-u"}:
        return ()
    # "search --set root UUID": the variable's name comes first. "--hint hd0" is a hint.
    values = [
        word
        for before, word in pairwise(words)
        if word.text and not word.text.startswith("-") and not _HINT.fullmatch(before.text)
    ]
    # "search.fs_uuid UUID root" has it the other way round.
    return tuple(values[-1:] if words[0].text == "search" else values[:1])
