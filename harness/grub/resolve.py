"""What an entry of a menu hands to Xen: which file is what, and which options go where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain, islice

from harness.grub import commands, defaults
from harness.grub.model import Entry, Form, Load, Menu, Odd, Word, Words
from harness.grub.vocabulary import DOM0, XEN, Speller


class Role(StrEnum):
    """What a file is, by its name."""

    XEN = "Xen"
    KERNEL = "kernel"
    INITRD = "initramfs"
    MICROCODE = "microcode"
    POLICY = "XSM policy"
    UNKNOWN = "unknown"


_ROLES = (
    (Role.POLICY, re.compile(r"xenpolicy|xsm|flask", re.IGNORECASE)),
    (Role.MICROCODE, re.compile(r"u-?code|microcode", re.IGNORECASE)),
    (Role.INITRD, re.compile(r"initrd|initramfs|ramdisk", re.IGNORECASE)),
    (Role.XEN, re.compile(r"^xen(?![a-z])", re.IGNORECASE)),
    (Role.KERNEL, re.compile(r"^(?:vmlinu[xz]|bzimage|linux|kernel)", re.IGNORECASE)),
)
_PLACEHOLDER = "placeholder"
_MOST_WORDS = 2000
"""Words of one line of options that are looked at; Xen itself takes 1024 characters."""


def role(load: Load) -> Role:
    """What the file is that it loads."""
    if load.path is None:
        return Role.UNKNOWN
    name = load.path.text.rpartition("/")[2].rpartition(")")[2]
    return next((role for role, pattern in _ROLES if pattern.search(name)), Role.UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class Boot:
    """A boot of Xen, as one entry describes it."""

    menu: Menu
    title: str
    line: int
    loads: tuple[Load, ...] = ()
    xen: Load | None = None
    kernel: Load | None = None
    xen_words: Words = ()
    dom0_words: Words = ()
    strays: tuple[tuple[Words, Load], ...] = ()
    """Lines that lost the backslash before them, with the line that they belong to."""
    unknown: tuple[Words, ...] = ()
    """Lines that are no command for another reason."""
    entry: Entry | None = None

    def with_role(self, wanted: Role) -> list[Load]:
        """What it loads of that kind, in order."""
        return [load for load in self.loads if role(load) is wanted]


def boots(menu: Menu, speller: Speller) -> Iterator[Boot]:
    """The entries of *menu* that boot Xen, or were meant to."""
    if menu.form is Form.DEFAULTS:
        yield _from_defaults(menu)
        return
    resolver = _Resolver(menu=menu, speller=speller)
    for entry in menu.entries:
        if is_xen(entry):
            yield resolver.boot(entry)


def is_xen(entry: Entry) -> bool:
    """Whether an entry boots Xen: by its image's name, or because a Linux kernel is a module."""
    loads = [item for item in entry.body if isinstance(item, Load)]
    if any(role(load) is Role.XEN for load in loads):
        return True
    modules = [load for load in loads if load.command.text in commands.MODULES]
    if any(role(load) is Role.KERNEL for load in modules):
        return True
    chained = entry.chain
    return chained is not None and role(chained) is Role.XEN


def _from_defaults(menu: Menu) -> Boot:
    return Boot(
        menu=menu,
        title="what update-grub writes",
        line=0,
        xen_words=defaults.effective(menu, for_xen=True),
        dom0_words=defaults.effective(menu, for_xen=False),
    )


@dataclass(kw_only=True)
class _Gathered:
    """An entry's lines, those put together that belong together."""

    loads: list[Load] = field(default_factory=list)
    strays: list[tuple[Words, Load]] = field(default_factory=list)
    unknown: list[Words] = field(default_factory=list)


@dataclass(kw_only=True)
class _Resolver:
    """Makes boots of entries. *left* is how many words of variables it still puts in."""

    menu: Menu
    speller: Speller
    left: int = 20_000

    def boot(self, entry: Entry) -> Boot:
        found = _gather(entry, self.speller)
        xen = _xen_of(found.loads)
        kernel = _kernel_of(found.loads, xen)
        xen_words = self._options(entry, xen)
        texts = [word.text for word in xen_words]
        # Behind " -- " stand more options for dom0 (xen/arch/x86/setup.c, kextra).
        at = texts.index("--") if "--" in texts else len(texts)
        return Boot(
            menu=self.menu,
            title=entry.title,
            line=entry.line,
            loads=tuple(found.loads),
            xen=xen,
            kernel=kernel,
            xen_words=xen_words[:at],
            dom0_words=_before_init(self._options(entry, kernel)) + xen_words[at + 1 :],
            strays=tuple(found.strays),
            unknown=tuple(found.unknown),
            entry=entry,
        )

    def _options(self, entry: Entry, load: Load | None) -> Words:
        """The options on a line, with those that stand in variables."""
        found: list[Word] = []
        for word in (load.arguments if load else ())[:_MOST_WORDS]:
            if word.text == _PLACEHOLDER:
                continue
            if len(word.variables) == 1 and word.text == f"${{{word.variables[0]}}}":
                found += self._expanded(entry, word.variables[0])
            else:
                found.append(word)
        return tuple(found[:_MOST_WORDS])

    def _expanded(self, entry: Entry, name: str) -> list[Word]:
        values = entry.values.get(name) or self.menu.values.get(name, ())
        words = list(islice(chain.from_iterable(values), self.left))
        self.left -= len(words)
        return words


def _gather(entry: Entry, speller: Speller) -> _Gathered:
    found = _Gathered()
    behind = False
    extra: list[Word] = []
    for item in (*entry.body, None):
        if isinstance(item, Odd) and behind and _options_like(item, speller):
            found.strays.append((item.words, found.loads[-1]))
            extra += item.words
            continue
        if extra:
            last = found.loads[-1]
            found.loads[-1] = replace(last, arguments=(*last.arguments, *extra))
            extra = []
        behind = isinstance(item, Load)
        if isinstance(item, Load):
            found.loads.append(item)
        elif isinstance(item, Odd) and not item.assignment:
            found.unknown.append(item.words)
    return found


def _options_like(item: Odd, speller: Speller) -> bool:
    """Whether a line that is no command looks like the rest of a line of options."""
    words = item.words[:_MOST_WORDS]
    if item.words[0].text in {"kernel", "module", "root", "title"}:
        return False
    if any(XEN.listed(word.name) or DOM0.listed(word.name) for word in words):
        return True
    first = item.words[0].name
    return not item.assignment and any(speller.nearest(first, side) for side in (XEN, DOM0))


def _xen_of(loads: list[Load]) -> Load | None:
    images = [load for load in loads if role(load) is Role.XEN]
    if images:
        return images[0]
    loaders = [load for load in loads if load.command.text in commands.XEN | {"kernel"}]
    odd = [load for load in loaders if role(load) is Role.UNKNOWN]
    return odd[0] if odd else None


def _kernel_of(loads: list[Load], xen: Load | None) -> Load | None:
    rest = [load for load in loads if load is not xen]
    kernels = [load for load in rest if role(load) is Role.KERNEL]
    if kernels:
        return kernels[0]
    modules = [load for load in rest if load.command.text in commands.MODULES]
    # Xen takes the first module for the kernel, whatever its name.
    first = modules[0] if modules else None
    return first if first is not None and role(first) is Role.UNKNOWN else None


def _before_init(words: Words) -> Words:
    """Behind ``--`` stand words that the kernel hands to init."""
    texts = [word.text for word in words]
    return words[: texts.index("--")] if "--" in texts else words
