"""Commands of both GRUBs, by what they mean to a boot. Their names come from the packages."""

from __future__ import annotations

import re
from itertools import pairwise

from harness.grub.model import Load, Serial, Words
from harness.grub.tables import names

KEYWORDS = frozenset(
    {"if", "then", "else", "elif", "fi", "for", "in", "while", "until", "do", "done", "time"}
    | {"function", "menuentry", "submenu", "select", "case", "esac", "!", "[[", "]]"}
)
"""GRUB 2's grammar (grub-core/script/yylex.l), which no command.lst lists."""
GRUB2 = names("grub-pc") | names("grub-efi") | {"set", "unset", "insmod", "linuxefi", "initrdefi"}
"""What command.lst leaves out is in GRUB's core, or added by distributions."""
ARM = frozenset({"xen_hypervisor", "xen_module"})
LEGACY = names("grub-legacy") | {"uuid"}
"""``uuid`` was added by Debian and Ubuntu."""

XEN = frozenset({"multiboot", "multiboot2", "xen_hypervisor"})
MODULES = frozenset({"module", "module2", "xen_module", "modulenounzip"})
LINUX = frozenset({"linux", "linux16", "linuxefi"})
INITRD = frozenset({"initrd", "initrd16", "initrdefi"})
LOADERS = XEN | MODULES | LINUX | INITRD | {"kernel"}

_SPEED = 9600
"""Of both GRUBs, when none is given."""
_PORTS = {0x3F8: 0, 0x2F8: 1}
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,8}|[0-9]{1,9}")


def load_of(words: Words) -> Load:
    """The command *words* as a `Load`; its own options, such as ``--nounzip``, are left out.

    A file's name begins with a slash, a device in parentheses or a variable.
    """
    rest = [word for word in words[1:] if word.text]
    at = next((n for n, word in enumerate(rest) if not word.text.startswith("--")), len(rest))
    if at < len(rest) and rest[at].text.startswith(("/", "(", "$")):
        return Load(command=words[0], path=rest[at], arguments=tuple(rest[at + 1 :]))
    return Load(command=words[0], path=None, arguments=tuple(rest[at:]))


def serial_of(words: Words) -> Serial:
    """The command ``serial ...`` with GRUB's defaults: the first port, 9600 baud."""
    given: dict[str, str] = {}
    texts = [word.text for word in words[1:]]
    for text, after in pairwise([*texts, ""]):
        name, mark, value = text.partition("=")
        given[name] = value if mark else after
    unit = _number(given.get("--unit"), 0)
    if "--port" in given:
        unit = _PORTS.get(_number(given["--port"], -1), -1)
    return Serial(line=words[0].line, unit=unit, speed=_number(given.get("--speed"), _SPEED))


def _number(text: str | None, otherwise: int) -> int:
    if not text or not _NUMBER.fullmatch(text):
        return otherwise
    return int(text, 16) if text[:2] in {"0x", "0X"} else int(text)
