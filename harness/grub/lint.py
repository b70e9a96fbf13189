"""All checks on configurations of GRUB. What is read is text; only `files` looks at a disk."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from harness.errors import Place, UsageError
from harness.grub.check_consoles import check_consoles
from harness.grub.check_loads import check_loads, check_root
from harness.grub.check_memory import check_memory
from harness.grub.check_menu import check_default, check_lines_of, check_settings
from harness.grub.check_words import check_lines, check_words
from harness.grub.defaults import read_defaults
from harness.grub.files import HostFiles, check_files, environment
from harness.grub.grub2 import read_grub2
from harness.grub.legacy import read_legacy
from harness.grub.model import Finding, Form, Menu, Severity
from harness.grub.resolve import Boot, boots
from harness.grub.rules import Rule, finding
from harness.grub.vocabulary import Speller

_GRUB2 = re.compile(r"^[ \t]*(?:menuentry|submenu|blscfg)\b", re.M)
_LEGACY = re.compile(r"^[ \t]*title\b", re.M)
_PART_OF_GRUB2 = re.compile(r"^[ \t]*(?:multiboot2?|module2|insmod)[ \t]", re.M)
_DEFAULTS = re.compile(r"^[ \t]*(?:export[ \t]+)?(?:GRUB|XEN)_[A-Z_]+[ \t]*=", re.M)
_MARK = "\N{BYTE ORDER MARK}"
_MOST_FINDINGS = 1000
_MOST_LOOKED_AT = 20_000
"""Findings before those are put together that are the same."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was read, and what is wrong with it."""

    forms: Mapping[str, Form]
    """File -> what it was read as."""
    boots: int
    """Entries that boot Xen."""
    findings: tuple[Finding, ...]
    more: bool = False
    """There are so many findings that not all are listed."""

    def count(self, severity: Severity) -> int:
        """How many findings are so bad."""
        return sum(one.severity is severity for one in self.findings)


def form_of(text: str, file: str) -> Form:
    """Which language a configuration is in. `UsageError` when nothing in it tells."""
    for form, pattern in (
        (Form.GRUB2, _GRUB2),
        (Form.LEGACY, _LEGACY),
        (Form.DEFAULTS, _DEFAULTS),
        (Form.GRUB2, _PART_OF_GRUB2),
    ):
        if pattern.search(text):
            return form
    msg = "this is no configuration of GRUB: it has no menuentry, no title and no GRUB_ variable"
    raise UsageError(msg, hint="if it is one, name its --form", place=Place(file=file))


def lint(
    texts: Mapping[str, str], *, form: Form | None = None, files: HostFiles | None = None
) -> Report:
    """Check configurations, file -> text; those of /etc/default are read together, in this order.

    With *files* it is also checked that what entries load is there. `UsageError` for a text
    that is of no form.
    """
    marked, texts = texts, {file: text.removeprefix(_MARK) for file, text in texts.items()}
    forms = {file: form or form_of(text, file) for file, text in texts.items()}
    known = environment(files) if files else None
    checker = _Checker(files=files)
    menus = list(_menus(texts, forms, known))
    strange = [*_mixed(texts, forms), *_foreign(marked, forms)]
    found = [*strange, *islice(checker.check_all(menus), _MOST_LOOKED_AT)]
    merged = _merged(found)
    return Report(
        forms=forms,
        boots=checker.boots,
        findings=tuple(merged[:_MOST_FINDINGS]),
        more=len(merged) > _MOST_FINDINGS or len(found) >= _MOST_LOOKED_AT,
    )


def _menus(
    texts: Mapping[str, str], forms: Mapping[str, Form], known: Mapping[str, str] | None
) -> Iterator[Menu]:
    defaults = [(file, text) for file, text in texts.items() if forms[file] is Form.DEFAULTS]
    if defaults:
        yield read_defaults(defaults)
    for file, text in texts.items():
        if forms[file] is Form.GRUB2:
            yield read_grub2(text, file, known)
        elif forms[file] is Form.LEGACY:
            yield read_legacy(text, file)


@dataclass(kw_only=True)
class _Checker:
    """Runs the checks. *boots* counts the entries that boot Xen."""

    files: HostFiles | None
    speller: Speller = field(default_factory=Speller)
    boots: int = 0

    def check_all(self, menus: Iterable[Menu]) -> Iterator[Finding]:
        for menu in menus:
            yield from menu.problems
            yield from check_default(menu)
            yield from check_settings(menu, self.speller)
            yield from self._check_lines(menu)
            for boot in boots(menu, self.speller):
                self.boots += boot.entry is not None
                yield from self._check(boot)

    def _check(self, boot: Boot) -> Iterator[Finding]:
        if boot.entry is not None:
            yield from check_lines_of(boot, self.speller)
            yield from check_loads(boot)
            yield from check_root(boot)
            yield from check_words(boot, self.speller)
            if self.files is not None:
                yield from check_files(boot, self.files, self.speller)
        yield from check_memory(boot)
        yield from check_consoles(boot)

    def _check_lines(self, menu: Menu) -> Iterator[Finding]:
        """Options outside of entries: those of update-grub's settings, each where it is written."""
        boot = Boot(menu=menu, title="", line=0)
        yield from check_lines(boot, self.speller)
        for options in menu.options:
            if options.source == "# kopt=" and not any(w.name == "root" for w in options.words):
                text = "update-grub takes the options of all kernels from here; there is no root="
                hint = "such as # kopt=root=/dev/vg00/lv01 ro"
                yield finding(boot, options.line, Rule.NO_ROOT, text, hint)


def _mixed(texts: Mapping[str, str], forms: Mapping[str, Form]) -> Iterator[Finding]:
    """Entries of GRUB legacy among those of GRUB 2: notes are kept so, menus are not."""
    for file, text in texts.items():
        if forms[file] is Form.GRUB2 and (match := _LEGACY.search(text)):
            line = text.count("\n", 0, match.start()) + 1
            yield Finding(
                place=Place(file=file, line=line),
                severity=Severity.WARNING,
                rule=Rule.SYNTAX,
                message="an entry of GRUB legacy begins here, which GRUB 2 does not read",
                hint="put it into a file of its own, or read this one with --form legacy",
            )


def _foreign(texts: Mapping[str, str], forms: Mapping[str, Form]) -> Iterator[Finding]:
    """What editors of other systems put into a file. GRUB skips carriage returns; sh does not."""
    for file, text in texts.items():
        defaults = forms[file] is Form.DEFAULTS
        if text.startswith(_MARK):
            harmless = not defaults and re.match(r"\s*(#|$)", text[1:], re.MULTILINE)
            yield Finding(
                place=Place(file=file, line=1),
                severity=Severity.WARNING if harmless else Severity.ERROR,
                rule=Rule.SYNTAX,
                message="the file begins with a byte order mark, which is taken for a part of the"
                " first word",
                hint="save it as UTF-8 without one",
            )
        if defaults and "\r\n" in text:
            yield Finding(
                place=Place(file=file, line=text.count("\n", 0, text.index("\r\n")) + 1),
                severity=Severity.ERROR,
                rule=Rule.SYNTAX,
                message="lines end with a carriage return, which sh takes for a part of the value",
                hint="save it with the line ends of Unix",
            )


def _merged(findings: Iterable[Finding]) -> list[Finding]:
    """Sorted by place; one that is the same in several entries is told once, with all its lines."""
    first: dict[tuple[str, str, str], Finding] = {}
    lines: dict[tuple[str, str, str], set[int]] = {}
    for one in findings:
        key = (one.place.file, one.rule, one.message)
        lines.setdefault(key, set()).add(one.place.line or 0)
        known = first.get(key)
        if known is None or (one.place.line or 0) < (known.place.line or 0):
            first[key] = one
    merged = [
        replace(one, also=tuple(sorted(lines[key] - {one.place.line or 0})))
        for key, one in first.items()
    ]
    order = list({one.place.file: None for one in merged})
    return sorted(merged, key=lambda one: (order.index(one.place.file), one.place.line or 0))
