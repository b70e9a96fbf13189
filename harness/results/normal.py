"""Text of a failure with all taken out that changes from run to run.

Two runs that fail for one cause then say the same words, and a pattern that somebody wrote from one
of them finds the other. What is taken out: times, addresses, process ids, domids, host names,
UUIDs, and what else is given out anew each time. What stays is what a developer would look for:
names of functions, devices and units, versions, small numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from harness.console.text import clean_line

MAX_LINE = 400
"""Characters of a line that are looked at. It also bounds what the expressions below can cost."""

_SMALL = 1 << 16
"""Hexadecimal numbers below this are codes and offsets of fields, and say something; addresses
are larger."""


def _number(match: re.Match[str]) -> str:
    value = int(match["digits"], 16)
    return match[0] if value < _SMALL else "<hex>"


_ROUNDS = 6
"""What one rule takes out may stand between two words that another would have known."""

_DATE = r"\d{4}-\d\d-\d\d"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_MONTH = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DOMID = r"(?!0\b)\d+"  # dom0 is always domain 0, and means something

_Replacement = str | Callable[[re.Match[str]], str]
_RULES: tuple[tuple[str, _Replacement], ...] = (
    # systemd's moving stars: "[ ***  ] Job a.service/start running (9s / 1min 30s)".
    (r"^(?:\[[ *]{3,8}\] ?)+", ""),
    # printk's time, and with CONFIG_PRINTK_CALLER who said it: "[    4.202610][    T1] ".
    (r"\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? ?", ""),
    # Xen with console_timestamps=date: "(XEN) [2026-11-22 12:00:00.123] ".
    (rf"\[{_DATE} {_CLOCK}\] ?", ""),
    # syslog, of any age: "Nov 22 12:00:00 host sshd[512]: ".
    (
        rf"(?:{_DATE}T{_CLOCK}\S*|(?:{_MONTH}) [ \d]\d {_CLOCK}) (?!<)[\w.-]+ (?=[\w./-]+(?:\[|:))",
        "",
    ),
    (r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "<uuid>"),
    (r"\b(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}\b", "<mac>"),
    (rf"{_DATE}(?:[T ]{_CLOCK}(?:Z|[+-]\d\d:?\d\d| UTC)?)?|\b{_CLOCK}\b", "<time>"),
    (r"\b\d{1,3}(?:\.\d{1,3}){3}\b", "<ip>"),
    (r"\b(?:[0-9a-fA-F]{1,4}::?){3,7}[0-9a-fA-F]{1,4}\b", "<ip>"),
    # Ours: harness/host/names.py, and ids of flights.
    (r"\bxf\.[\w-]+\.[0-9a-f]{10}\b", "<domain>"),
    (r"\b[a-z][a-z0-9-]*-\d{8}-\d{6}-[0-9a-f]{6}\b", "<flight>"),
    # agetty's prompt, and the line above it: "Debian GNU/Linux 12 host hvc0".
    (r"^(?!<)\S+ login:", "<host> login:"),
    (r"(Linux \S+) (?!<)\S+ (?=(?:hvc|tty\w?|xvc)\d+$)", r"\1 <host> "),
    # "do_exit+0x172/0x240": where in a function moves with every build.
    (r"\+0x[0-9a-f]+/0x[0-9a-f]+", ""),
    (r"\b0x(?P<digits>[0-9a-fA-F]+)\b", _number),
    (r"\b(?=[a-f]*\d)(?P<digits>[0-9a-f]{8,})\b", _number),
    # "d3v0", "(d3)", "vif3.0", "Domain-3", "dom3", "domid=3", and paths in xenstore.
    (rf"\bd{_DOMID}v(?=\d)", "d<domid>v"),
    (rf"\(d{_DOMID}\)", "(d<domid>)"),
    (rf"\b(vif|tap|vbd){_DOMID}(?=\.\d)", r"\1<domid>"),
    (rf"\b([Dd]om(?:ain|id)?)([ =:-]{{0,2}}){_DOMID}\b", r"\1\2<domid>"),
    (rf"(/domain/|/backend/\w+/|/libxl/){_DOMID}(?=/|$|\W)", r"\1<domid>"),
    (r"\b(kworker/)u?\d+:\d+", r"\1<n>"),
    (r"\b((?:swapper|ksoftirqd|migration|cpuhp|rcu\w*)/)\d+", r"\1<n>"),
    (r"\b(CPU)([ :#]{1,2})\d+\b", r"\1\2<n>"),
    (r"\b([Pp][Ii][Dd])([ :=]{1,2})\d+\b", r"\1\2<pid>"),
    (r"([\w>/-]\[)\d+\](?=:|$|\s)", r"\1<pid>]"),  # "sshd[512]:"
    (r"(\[[^\s\[\]:]+:)\d+\]", r"\1<pid>]"),  # "stuck for 22s! [swapper/1:0]"
    (r"\b(task [^\s:]+(?::<n>)?:)\d+\b", r"\1<pid>"),
    (r"\b\d+(?:\.\d+)?(?:s|ms|us|ns|min|h|d)\b", "<span>"),
    (r"\b\d+(?:\.\d+)? (?:milli|micro)?(?:seconds?|secs?|minutes?|jiffies)\b", "<span>"),
    (r"<span>(?: <span>)+", "<span>"),
)
_COMPILED = tuple((re.compile(pattern), replacement) for pattern, replacement in _RULES)


def normalise(line: str, names: Mapping[str, str] | None = None) -> str:
    """One line of a console or a log, with all taken out that changes from run to run.

    *names* are words that only this run has, such as its host's name, and what stands for each.
    Normal text stays as it is.
    """
    text = clean_line(line)[:MAX_LINE]
    for name in sorted(names or {}, key=len, reverse=True):
        text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", (names or {})[name], text)
    for _ in range(_ROUNDS):
        before = text
        for pattern, replacement in _COMPILED:
            text = pattern.sub(replacement, text)
        text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
        if text == before:
            break
    return text[:MAX_LINE].rstrip()
