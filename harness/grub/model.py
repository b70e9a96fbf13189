"""What is read from a configuration of GRUB, and what is found wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.errors import Place


class Form(StrEnum):
    """The languages that are read."""

    GRUB2 = "grub2"
    LEGACY = "legacy"
    DEFAULTS = "defaults"
    """/etc/default/grub and the files of /etc/default/grub.d: what update-grub goes by."""


class Severity(StrEnum):
    """How bad a finding is, the worst first."""

    ERROR = "error"
    """The entry does not boot, or GRUB does not pass on what is written."""
    WARNING = "warning"
    """It boots, but not as it was meant."""
    NOTE = "note"
    """It does what it says; one should know."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong. *rule* is a stable word, explained in docs/grub-lint.md."""

    place: Place
    severity: Severity
    rule: str
    message: str
    hint: str = ""
    entry: str = ""
    """The title of the entry that it was found in."""
    also: tuple[int, ...] = ()
    """Other lines of the same file with the same finding."""


@dataclass(frozen=True)
class Word:
    """A word of a script, without its quotes; a variable in it is written ``${name}``."""

    text: str
    line: int
    variables: tuple[str, ...] = ()
    file: str = ""
    """Only where a `Menu` is read from several files."""

    @property
    def name(self) -> str:
        """What stands before the first ``=``; all of it where there is none."""
        return self.text.partition("=")[0]

    @property
    def value(self) -> str | None:
        """What stands behind the first ``=``; None where there is none."""
        _, mark, value = self.text.partition("=")
        return value if mark else None


Words = tuple[Word, ...]


@dataclass(frozen=True, kw_only=True)
class Load:
    """A command that loads a file: Xen, a kernel, an initramfs."""

    command: Word
    path: Word | None
    """None when the command names no file."""
    arguments: Words = ()

    @property
    def line(self) -> int:
        """Where it stands."""
        return self.command.line


@dataclass(frozen=True, kw_only=True)
class Odd:
    """A line in an entry that is no command of GRUB's, or only sets a variable behind a `Load`."""

    words: Words
    assignment: bool = False


Values = Mapping[str, tuple[Words, ...]]
"""Variable -> each value that it is given, as words."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An entry of a menu."""

    title: str
    line: int
    id: str = ""
    number: tuple[int, ...] = ()
    """Its place: ``(1, 0)`` is the first one in the second line, a submenu."""
    body: tuple[Load | Odd, ...] = ()
    chain: Load | None = None
    """A ``chainloader``: another loader goes on from here."""
    searches: Words = ()
    """File systems that are looked for by UUID."""
    roots: Words = ()
    """Values given to ``root``."""
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Serial:
    """A ``serial`` command."""

    line: int
    unit: int
    speed: int


@dataclass(frozen=True, kw_only=True)
class Options:
    """A line of options that stands in no entry: for Xen or for the dom0 kernel."""

    words: Words
    for_xen: bool
    source: str
    """What it is called there: ``GRUB_CMDLINE_XEN``, ``# xenhopt=``."""
    line: int
    file: str


@dataclass(frozen=True, kw_only=True)
class Menu:
    """A configuration, read. *default* is None when only GRUB knows, at boot."""

    file: str
    form: Form
    entries: tuple[Entry, ...] = ()
    default: str | None = "0"
    default_line: int = 0
    """0 when no line says it."""
    serials: tuple[Serial, ...] = ()
    values: Values = field(default_factory=dict)
    options: tuple[Options, ...] = ()
    problems: tuple[Finding, ...] = ()
    elsewhere: bool = False
    """It takes entries from other files."""
    settings: Mapping[str, Word] = field(default_factory=dict)
    """Other variables of update-grub's, as they are in the end."""
