"""The menu as a whole: lines that are no commands, and whether Xen is what GRUB boots."""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import Place
from harness.grub import commands
from harness.grub.model import Entry, Finding, Form, Menu, Severity, Words
from harness.grub.resolve import Boot, is_xen
from harness.grub.rules import SEVERITIES, Rule, finding
from harness.grub.tables import names
from harness.grub.vocabulary import Speller

_VARIABLES = sorted(names("grub-mkconfig") | names("grub-xen") | names("grub-xen-cfg"))
_COMMANDS = {Form.GRUB2: sorted(commands.GRUB2), Form.LEGACY: sorted(commands.LEGACY)}
_OVERRIDE = "XEN_OVERRIDE_GRUB_DEFAULT"
_LEGACY_WORDS = {"kernel": "multiboot2", "title": "menuentry", "root": "set root="}
_IN_LEGACY = {"multiboot": "kernel", "multiboot2": "kernel", "module2": "module"}
_LINES = 3
"""Titles that a message lists."""


def check_lines_of(boot: Boot, speller: Speller) -> Iterator[Finding]:
    """Lines of an entry that GRUB does not understand."""
    for words, load in boot.strays:
        shown = " ".join(word.text for word in words[:_LINES])
        text = (
            f"{shown!r} is no command; these are options of `{load.command.text}` in line"
            f" {load.line}, whose backslash at the end is lost"
        )
        hint = f"end line {words[0].line - 1} with a backslash, or make one line of them"
        yield finding(boot, words[0], Rule.LOST_BACKSLASH, text, hint)
    for words in boot.unknown:
        yield from _unknown(boot, words, speller)


def _unknown(boot: Boot, words: Words, speller: Speller) -> Iterator[Finding]:
    name = words[0].text
    legacy = boot.menu.form is Form.LEGACY
    other = (_IN_LEGACY if legacy else _LEGACY_WORDS).get(name)
    if other:
        own, others = ("GRUB legacy", "GRUB 2") if legacy else ("GRUB 2", "GRUB legacy")
        text = f"`{name}` is {others}'s word; {own} says `{other}`"
        yield finding(boot, words[0], Rule.UNKNOWN_COMMAND, text)
        return
    form = boot.menu.form
    if near := speller.among(name, f"{form} commands", _COMMANDS[form]):
        text = f"GRUB has no command `{name}`; did you mean `{near}`?"
        yield finding(boot, words[0], Rule.UNKNOWN_COMMAND, text)
    elif legacy:
        text = f"GRUB legacy has no command `{name}`, and stops at this line"
        yield finding(boot, words[0], Rule.UNKNOWN_COMMAND, text)


def check_default(menu: Menu) -> Iterator[Finding]:
    """Whether any entry boots Xen, and whether it is the one that GRUB takes by itself."""
    if menu.form is Form.DEFAULTS or menu.elsewhere:
        return
    xen = [entry for entry in menu.entries if is_xen(entry)]
    if not xen:
        line = menu.entries[0].line if menu.entries else 1
        text = f"none of the {len(menu.entries)} entries boots Xen"
        hint = "is Xen installed? On Debian update-grub writes its entries (20_linux_xen)"
        yield _of_menu(menu, line, Rule.NO_XEN, text if menu.entries else "no entry is here", hint)
        return
    chosen = _chosen(menu)
    if chosen is not None and not is_xen(chosen):
        text = f"GRUB boots {chosen.title!r} (line {chosen.line}) by itself, which is without Xen"
        hint = f"Xen's first entry is {xen[0].title!r} in line {xen[0].line}"
        if menu.form is Form.GRUB2:
            hint += "; on Debian set XEN_OVERRIDE_GRUB_DEFAULT=1 in /etc/default/grub.d/xen.cfg"
        line = menu.default_line or chosen.line
        yield _of_menu(menu, line, Rule.XEN_NOT_DEFAULT, text, hint)


def _chosen(menu: Menu) -> Entry | None:
    """The entry that GRUB takes; None when that cannot be known from the file.

    GRUB 2 knows entries by number, title and id, each step into a submenu behind a ``>``.
    """
    wanted = menu.default
    if wanted is None:
        return None
    last = wanted.rpartition(">")[2]
    for entry in menu.entries:
        number = ">".join(map(str, entry.number))
        if wanted in {number, entry.title, entry.id} or last in {entry.title, entry.id} - {""}:
            return entry
    if wanted.isdecimal():
        inside = [entry for entry in menu.entries if str(entry.number[0]) == wanted]
        return inside[0] if inside else None
    # A submenu's title, or one that does not exist; GRUB then takes its first line.
    return None


def check_settings(menu: Menu, speller: Speller) -> Iterator[Finding]:
    """Variables of /etc/default/grub: misspelt ones, and the one that makes Xen the default."""
    for name, word in menu.settings.items():
        if name in _VARIABLES:
            continue
        if near := speller.among(name, "variables", _VARIABLES):
            text = f"update-grub reads no variable {name}; did you mean {near}?"
            yield _of_menu(menu, word.line, Rule.UNKNOWN_VARIABLE, text, file=word.file)
    override, default = menu.settings.get(_OVERRIDE), menu.settings.get("GRUB_DEFAULT")
    if override is None or override.text != "0" or default is None:
        return
    if default.text and default.text != "saved" and "xen" not in default.text.lower():
        text = f"GRUB_DEFAULT={default.text} leads to an entry without Xen, and stays as it is"
        hint = f"{_OVERRIDE}=1 makes Xen the default"
        yield _of_menu(menu, override.line, Rule.XEN_NOT_DEFAULT, text, hint, file=override.file)


def _of_menu(
    menu: Menu, line: int, rule: Rule, message: str, hint: str = "", file: str = ""
) -> Finding:
    return Finding(
        place=Place(file=file or menu.file, line=line),
        severity=SEVERITIES.get(rule, Severity.ERROR),
        rule=rule,
        message=message,
        hint=hint,
    )
