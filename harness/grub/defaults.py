"""Reads /etc/default/grub and the files of /etc/default/grub.d: what update-grub goes by.

They are shell scripts, read one after the other into the same variables. Only assignments are
followed, and conditions on variables; what a command gives is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from harness.errors import Place
from harness.grub import commands
from harness.grub.conditions import Branch, Variables, judge
from harness.grub.model import Finding, Form, Menu, Options, Serial, Severity, Word, Words
from harness.grub.script import Lexer, expanded, split

XEN_LINES = ("GRUB_CMDLINE_XEN", "GRUB_CMDLINE_XEN_DEFAULT")
LINUX_LINES = (
    ("GRUB_CMDLINE_LINUX_XEN_REPLACE", "GRUB_CMDLINE_LINUX"),
    ("GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT", "GRUB_CMDLINE_LINUX_DEFAULT"),
)
"""For dom0: the first of each pair, where it is set (/etc/grub.d/20_linux_xen)."""
_OPTIONS = frozenset({*XEN_LINES, *(name for pair in LINUX_LINES for name in pair)})
_SETTING = re.compile(r"(?P<name>(?:GRUB|XEN)_\w+)=(?P<value>.*)", re.DOTALL)
_OURS = re.compile(r"(?:GRUB|XEN)_\w+")
_SERIAL = "GRUB_SERIAL_COMMAND"
_SUBSTITUTION = ("`", "$(")
_MOST_WORDS = 10_000
"""Words that variables in variables may become."""


def read_defaults(files: Iterable[tuple[str, str]]) -> Menu:
    """What the *files*, each a name and a text, say together, in this order."""
    reader = _Reader()
    names: list[str] = []
    for name, text in files:
        names.append(name)
        reader.read(name, text)
    return Menu(
        file=names[0] if names else "",
        form=Form.DEFAULTS,
        serials=tuple(reader.serials),
        options=tuple(reader.options),
        problems=tuple(reader.problems),
        settings=reader.settings,
    )


def effective(menu: Menu, *, for_xen: bool) -> Words:
    """The options that update-grub gives to Xen, or to dom0's kernel, of all that are written."""
    last = {options.source: options.words for options in menu.options}
    if for_xen:
        chosen = list(XEN_LINES)
    else:
        chosen = [first if last.get(first) else second for first, second in LINUX_LINES]
    found: list[Word] = []
    for name in chosen:
        for word in last.get(name, ()):
            if word.variables and word.text == f"${{{word.variables[0]}}}":
                found += last.get(word.variables[0], ())
            else:
                found.append(word)
    return tuple(found[:_MOST_WORDS])


@dataclass(kw_only=True)
class _Reader:
    variables: Variables = field(default_factory=Variables)
    serials: list[Serial] = field(default_factory=list)
    options: list[Options] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)
    settings: dict[str, Word] = field(default_factory=dict)
    file: str = ""
    _branches: list[Branch] = field(default_factory=list)

    def read(self, file: str, text: str) -> None:
        self.file, self._branches = file, []
        lexer = Lexer(text=text)
        for statement in lexer.statements():
            words = statement.words
            while words and words[0].text in {"then", "else", "do", "export", "!"}:
                if words[0].text == "else" and self._branches:
                    self._branches[-1].begin(True)
                words = words[1:]
            if words:
                self._command(words)
        for line in lexer.unclosed[:1]:
            # The first quote that goes on over lines is probably the one that should not.
            first = min([line, *(begin for begin, _ in lexer.long)])
            what = "a quote is not closed, and it is probably the one that is opened here"
            self._problem(first, "syntax", what, "update-grub fails with this file")

    def _problem(self, line: int, rule: str, text: str, hint: str = "") -> None:
        self.problems.append(
            Finding(
                place=Place(file=self.file, line=line),
                severity=Severity.ERROR,
                rule=rule,
                message=text,
                hint=hint,
            )
        )

    def _command(self, words: Words) -> None:
        name = words[0].text
        if name in {"if", "elif", "fi"}:
            self._branch(name, words)
        elif match := _SETTING.fullmatch(name):
            value = replace(words[0], text=match["value"])
            if not self._branches or self._branches[-1].active is not False:
                self._assign(match["name"], value)
        elif _OURS.fullmatch(name) and len(words) > 1 and words[1].text.startswith("="):
            text = f"the shell takes {name} for a command: no blanks may stand around the `=`"
            self._problem(words[0].line, "assignment-spaces", text, "update-grub fails here")

    def _branch(self, name: str, words: Words) -> None:
        condition = judge([word.text for word in words[1:]], self.variables)
        if name == "if":
            outside = self._branches[-1].active if self._branches else True
            self._branches.append(Branch(outside=outside))
            self._branches[-1].begin(condition)
        elif self._branches and name == "elif":
            self._branches[-1].begin(condition)
        elif self._branches:
            self._branches.pop()

    def _assign(self, name: str, value: Word) -> None:
        known = expanded(value.text, self.variables.value)
        if any(mark in value.text for mark in _SUBSTITUTION):
            known = None
        self.variables.known[name] = known
        if known is None:
            self.settings.pop(name, None)
        else:
            self.settings[name] = replace(value, text=known, file=self.file)
        words = tuple(replace(word, file=self.file) for word in split(value))
        if name == _SERIAL and words:
            self.serials.append(commands.serial_of(words))
        elif name in _OPTIONS:
            self.options.append(
                Options(
                    words=words,
                    for_xen=name in XEN_LINES,
                    source=name,
                    line=value.line,
                    file=self.file,
                )
            )
