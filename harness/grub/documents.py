"""Names of options and commands, out of the documentation that Debian packages bring.

Only names and the kind of value are taken, never a sentence. What is read is generated text of a
fixed form: pandoc's HTML, the kernel's kernel-parameters.txt, troff of man pages, an info file.
"""

from __future__ import annotations

import html
import re

Options = dict[str, str]
"""Name -> kind: a word of `Kind`, after which may stand the values that there are."""

_HEADING = re.compile(r'<h3 data-number="1\.2\.[0-9]+"[^>]*>(?P<title>.*?)</h3>', re.DOTALL)
_NUMBER = re.compile(r'<span\s+class="header-section-number">[^<]*</span>')
_TAG = re.compile(r"<[^>]*>")
_CODE = re.compile(r"(?:<blockquote>\s*<p>|<pre>)\s*<code>(?P<code>.*?)</code>", re.DOTALL)
_LITERAL = re.compile(r"[A-Za-z0-9_-]+(?:\[[A-Z,]+\])?")
_SIMPLE = {"= <boolean>": "boolean", "= <integer>": "integer", "= <size>": "size"}


def xen_options(page: str) -> Options:
    """What xen-command-line.html has in its section "Parameter details".

    Options in a row that share one description share its syntax: com1 and com2.
    """
    found: Options = {}
    waiting: list[str] = []
    parts = _HEADING.split(page)
    for title, section in zip(parts[1::2], parts[2::2], strict=True):
        waiting.append(_xen_name(title))
        if not section.strip():
            continue
        kind = _xen_kind(section.partition("<h3")[0])
        for name in waiting:
            # Some have a second section for another architecture.
            found[name] = kind if found.get(name, kind) == kind else "string"
        waiting = []
    return found


def _xen_name(title: str) -> str:
    """``ivrs_hpet[<hpet>] (AMD)`` is an option ``ivrs_hpet``, which takes a number in brackets."""
    text = html.unescape(_TAG.sub("", _NUMBER.sub("", title)))
    return text.split()[0].partition("[")[0]


def _xen_kind(section: str) -> str:
    codes = (" ".join(html.unescape(match["code"]).split()) for match in _CODE.finditer(section))
    kinds = {_kind_of(code) for code in codes if code.startswith("=")}
    if not kinds:
        return "flag"
    return kinds.pop() if len(kinds) == 1 else "string"


def _kind_of(syntax: str) -> str:
    if syntax in _SIMPLE:
        return _SIMPLE[syntax]
    kind, text = "choice", syntax.removeprefix("=").strip()
    if text.startswith("List of [") and text.endswith("]"):
        kind, text = "list", text.removeprefix("List of [").removesuffix("]")
    values = [value.strip() for value in text.split("|")]
    if len(values) > 1 and all(_LITERAL.fullmatch(value) for value in values):
        return " ".join([kind, *(value.partition("[")[0] for value in values)])
    return "string"


_PARAMETER = re.compile(r"^(?:\t| {8})(?P<name>[A-Za-z][\w.-]*)(?P<mark>[=\[]?)", re.MULTILINE)
_FORMAT = re.compile(r"^[ \t]+Format:[ \t]*<(?P<type>bool|boolean|int|integer)>[ \t]*$", re.M)
_FORMATS = {"bool": "boolean", "boolean": "boolean", "int": "integer", "integer": "integer"}


def linux_options(text: str) -> Options:
    """What kernel-parameters.txt lists, each at the first tab stop."""
    found: Options = {}
    places = list(_PARAMETER.finditer(text))
    ends = [*(place.start() for place in places[1:]), len(text)]
    for place, end in zip(places, ends, strict=False):
        kind = "string" if place["mark"] else "flag"
        if kind == "string" and (match := _FORMAT.search(text, place.end(), end)):
            kind = _FORMATS[match["type"]]
        found[place["name"]] = kind if found.get(place["name"], kind) == kind else "string"
    return found


_NAMED = r"\\f[BI](?:\\fI)? ?[A-Za-z0-9-][A-Za-z0-9_.-]*=?"
_ITEM = re.compile(rf'^(?:\.IP ")?(?P<names>{_NAMED}(?:\\fR, {_NAMED})*)')


def man_options(page: str) -> Options:
    """Words set off at the start of an item of a man page: what an initramfs or init takes.

    Some that are no option come along; nothing is ever suggested from here.
    """
    found: Options = {}
    for line in page.replace("\\&", "").replace("\\-", "-").splitlines():
        if not (item := _ITEM.match(line)):
            continue
        for part in item["names"].split(", "):
            name = part.replace("\\fI", "").replace("\\fB", "").replace("\\fR", "").strip()
            kind = "string" if name.endswith("=") else found.get(name, "flag")
            found[name.rstrip("=.")] = kind
    return found


_LISTED = re.compile(r"^\*?(?P<name>[^:\s]+): \w+$", re.MULTILINE)


def grub_commands(command_list: str) -> Options:
    """What GRUB 2's command.lst has; a star before a name is about its help."""
    return dict.fromkeys(_LISTED.findall(command_list), "command")


_COMMAND = re.compile(r"^ -- Command: (?P<name>\w+)", re.MULTILINE)


def legacy_commands(info: str) -> Options:
    """The commands that GRUB legacy's info file defines."""
    return dict.fromkeys(_COMMAND.findall(info), "command")


_VARIABLE = re.compile(r"\b(?:GRUB|XEN)_[A-Z][A-Z_]*[A-Z]\b")


def grub_variables(script: str) -> Options:
    """The variables that grub-mkconfig, or one of its scripts, reads from /etc/default/grub."""
    return dict.fromkeys(_VARIABLE.findall(script), "variable")
