"""Options: misspelt, glued together, on the wrong line, or with a value that they do not take."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.grub.model import Finding, Severity, Word, Words
from harness.grub.resolve import Boot
from harness.grub.rules import Rule, finding
from harness.grub.vocabulary import DOM0, XEN, Speller, Vocabulary, unglued

_TRUE = ("yes", "on", "true", "enable", "1")
_FALSE = ("no", "off", "false", "disable", "0")
_BOOLEAN = re.compile("|".join([*_TRUE, *_FALSE]))
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|[0-9]+)")
_SIZE = re.compile(r"(?:0[xX][0-9a-fA-F]+|[0-9]+)[TtGgMmKkBb]?")
_SIMPLE = {
    "boolean": (_BOOLEAN, f"on or off ({', '.join([*_TRUE, *_FALSE])})"),
    "integer": (_INTEGER, "a number"),
    "size": (_SIZE, "a size, such as 64M"),
}
_VERSION = re.compile(r"xen[-_](?P<version>[0-9]+\.[0-9]+)")
_LINUX_CONSOLE = re.compile(r"(?:tty|hvc|xvc)[A-Za-z]*[0-9]*")
_XEN_CONSOLE = re.compile(r"(?:com[12][HL]?|vga|dbgp)")
_HVC = re.compile(r"hvc[0-9]")


def check_words(boot: Boot, speller: Speller) -> Iterator[Finding]:
    """All that is wrong with single options of *boot*."""
    xen, dom0 = _Side(boot, XEN, DOM0, speller), _Side(boot, DOM0, XEN, speller)
    yield from xen.check(boot.xen_words, _xen_value)
    yield from dom0.check(boot.dom0_words, _dom0_value)


def check_lines(boot: Boot, speller: Speller) -> Iterator[Finding]:
    """The same for the lines of options that stand outside of entries."""
    xen, dom0 = _Side(boot, XEN, DOM0, speller), _Side(boot, DOM0, XEN, speller)
    for options in boot.menu.options:
        side, value = (xen, _xen_value) if options.for_xen else (dom0, _dom0_value)
        yield from side.check(options.words, value)


def xen_version(boot: Boot) -> str | None:
    """``4.17``, as the name of Xen's image has it."""
    path = boot.xen.path if boot.xen else None
    match = _VERSION.search(path.text) if path else None
    return match["version"] if match else None


@dataclass(frozen=True)
class _Side:
    """One of the two command lines: whose words it takes, and whose not."""

    boot: Boot
    vocabulary: Vocabulary
    other: Vocabulary
    speller: Speller

    def check(
        self, words: Words, value: Callable[[_Side, Word], Iterator[Finding]]
    ) -> Iterator[Finding]:
        for word in words:
            if word.variables and "$" in word.name:
                continue
            if self.vocabulary.knows(word.name):
                yield from self._known(word, value)
            elif word.text:
                yield from self._unknown(word)

    def _known(
        self, word: Word, value: Callable[[_Side, Word], Iterator[Finding]]
    ) -> Iterator[Finding]:
        if two := unglued(word.text, self.vocabulary):
            yield self._glued(word, two)
        elif not word.variables:
            yield from value(self, word)

    def _unknown(self, word: Word) -> Iterator[Finding]:
        owner, name = self.vocabulary.owner, word.name
        if self.other.listed(name):
            text = f"{name!r} is an option of {self.other.owner} and not of {owner}"
            line = "Xen's line" if self.other is XEN else "the line that loads dom0's kernel"
            yield finding(self.boot, word, Rule.WRONG_LINE, text, f"it belongs on {line}")
        elif two := unglued(word.text, self.vocabulary):
            yield self._glued(word, two)
        elif near := self.speller.nearest(name, self.vocabulary):
            text = f"{owner} has no option {name!r}; did you mean {near!r}?"
            hint = "as it stands it is handed to init"
            if not self.vocabulary.kernel:
                hint = _of_other_version(self.boot) or "as it stands Xen ignores it"
            yield finding(self.boot, word, Rule.MISSPELT, text, hint)
        elif not self.vocabulary.kernel:
            # The kernel hands what it does not know to init, so any word may be right there.
            text = f"{name!r} is no option that {self.vocabulary.titles()} have in their manuals"
            hint = f"Xen ignores what it does not know, and says: parameter {name!r} unknown"
            if older := _of_other_version(self.boot):
                yield finding(self.boot, word, Rule.UNKNOWN_OPTION, text, older, Severity.NOTE)
            else:
                yield finding(self.boot, word, Rule.UNKNOWN_OPTION, text, hint)

    def _glued(self, word: Word, two: str) -> Finding:
        text = f"there are two options in {word.text!r}; write {two!r}"
        return finding(self.boot, word, Rule.GLUED, text)


def _of_other_version(boot: Boot) -> str:
    """A hint where Xen's image names a version that there is no table for."""
    version = xen_version(boot)
    if version is None or any(table.title == f"Xen {version}" for table in XEN.tables):
        return ""
    return f"the manuals looked into are of {XEN.titles()}; Xen {version} may know it"


def _xen_value(side: _Side, word: Word) -> Iterator[Finding]:
    kinds = side.vocabulary.kinds(word.name)
    version = xen_version(side.boot)
    title = f"Xen {version}"
    if any(table.title == title for table in XEN.tables):
        if kinds and title not in kinds:
            text = f"{title} has no option {word.name!r}; {' and '.join(kinds)} has"
            yield finding(side.boot, word, Rule.UNKNOWN_OPTION, text)
            return
        kinds = {title: kinds[title]} if title in kinds else {}
    if word.name == "console" and word.value and _LINUX_CONSOLE.fullmatch(word.value):
        text = f"{word.text!r} is meant for dom0's kernel: Xen has no such console"
        hint = "on Xen's line: console=com1 or console=vga"
        yield finding(side.boot, word, Rule.WRONG_LINE, text, hint)
    elif kinds and not any(_fits(kind, word) for kind in kinds.values()):
        yield _bad_value(side, word, next(reversed(kinds.values())))


def _fits(kind: str, word: Word) -> bool:
    what, *values = kind.split()
    value = word.value
    if what in _SIMPLE:
        if what == "boolean" and value in {None, ""}:
            return True
        return bool(_SIMPLE[what][0].fullmatch(value or ""))
    if what == "choice":
        return value in values or bool(value and re.search("[,:;]", value))
    if what == "list":
        parts = (value or "").split(",")
        return all(part in values or part.rstrip("HL") in values for part in parts)
    return True


def _bad_value(side: _Side, word: Word, kind: str) -> Finding:
    what, *values = kind.split()
    wanted = _SIMPLE[what][1] if what in _SIMPLE else " or ".join(values)
    text = f"{word.name!r} takes {wanted}, and not {word.value or 'nothing'!r}"
    near = side.speller.among(word.value or "", f"{word.name}=", values, alike=0.6)
    return finding(
        side.boot, word, Rule.BAD_VALUE, f"{text}; did you mean {near!r}?" if near else text
    )


def _dom0_value(side: _Side, word: Word) -> Iterator[Finding]:
    if word.name != "console" or not word.value:
        return
    device = word.value.partition(",")[0]
    if _XEN_CONSOLE.fullmatch(device):
        text = f"{word.text!r} is meant for Xen: dom0's kernel has no such console"
        hint = "on dom0's line: console=hvc0"
        yield finding(side.boot, word, Rule.WRONG_LINE, text, hint)
    elif device.startswith("hv") and not _HVC.fullmatch(device):
        text = f"there is no console {device!r}; did you mean 'hvc0'?"
        yield finding(side.boot, word, Rule.BAD_VALUE, text)
