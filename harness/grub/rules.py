"""What all checks share: the names of the rules, and how a finding is made.

The rules are explained in docs/grub-lint.md; a test holds that list against this one.
"""

from __future__ import annotations

from enum import StrEnum

from harness.errors import Place
from harness.grub.model import Finding, Severity, Word
from harness.grub.resolve import Boot


class Rule(StrEnum):
    """What can be wrong. The words are stable: scripts may go by them."""

    SYNTAX = "syntax"
    ASSIGNMENT_SPACES = "assignment-spaces"
    UNKNOWN_VARIABLE = "unknown-variable"
    UNKNOWN_COMMAND = "unknown-command"
    LOST_BACKSLASH = "lost-backslash"
    NO_XEN = "no-xen"
    XEN_NOT_DEFAULT = "xen-not-default"
    WRONG_LOADER = "wrong-loader"
    MODULE_KIND = "module-kind"
    LOAD_ORDER = "load-order"
    NO_KERNEL = "no-kernel"
    NO_INITRD = "no-initrd"
    INITRD_VERSION = "initrd-version"
    MODULE_ARGUMENTS = "module-arguments"
    PARTITION_ZERO = "partition-zero"
    MISSING_FILE = "missing-file"
    NO_ROOT = "no-root"
    PLACEHOLDER = "placeholder"
    MISSPELT = "misspelt"
    GLUED = "glued"
    WRONG_LINE = "wrong-line"
    UNKNOWN_OPTION = "unknown-option"
    BAD_VALUE = "bad-value"
    DOM0_MEM_UNIT = "dom0-mem-unit"
    DOM0_MEM_MAX = "dom0-mem-max"
    SERIAL_SPEED = "serial-speed"
    SERIAL_TAKEN = "serial-taken"
    NO_HVC0 = "no-hvc0"


SEVERITIES = {
    Rule.UNKNOWN_VARIABLE: Severity.WARNING,
    Rule.XEN_NOT_DEFAULT: Severity.WARNING,
    Rule.INITRD_VERSION: Severity.WARNING,
    Rule.MODULE_ARGUMENTS: Severity.WARNING,
    Rule.PARTITION_ZERO: Severity.WARNING,
    Rule.MISSPELT: Severity.WARNING,
    Rule.GLUED: Severity.WARNING,
    Rule.WRONG_LINE: Severity.WARNING,
    Rule.UNKNOWN_OPTION: Severity.WARNING,
    Rule.BAD_VALUE: Severity.WARNING,
    Rule.DOM0_MEM_MAX: Severity.NOTE,
    Rule.SERIAL_SPEED: Severity.WARNING,
    Rule.SERIAL_TAKEN: Severity.WARNING,
    Rule.NO_HVC0: Severity.WARNING,
}
"""How bad a rule's findings are where a check does not say otherwise; errors are left out."""


def finding(
    boot: Boot,
    where: Word | int,
    rule: Rule,
    message: str,
    hint: str = "",
    severity: Severity | None = None,
) -> Finding:
    """A finding at a word, or in a line, of the menu that *boot* is from."""
    line = where if isinstance(where, int) else where.line
    file = "" if isinstance(where, int) else where.file
    return Finding(
        place=Place(file=file or boot.menu.file, line=line),
        severity=severity or SEVERITIES.get(rule, Severity.ERROR),
        rule=rule,
        message=message,
        hint=hint,
        entry=boot.title,
    )
