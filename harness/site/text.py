"""Foreign text, made safe for a page. Nothing of a flight, a host or a guest goes another way."""

from __future__ import annotations

from markupsafe import Markup, escape

from harness.report.evidence import visible


def shown(text: str) -> str:
    """*text* without anything that could act on its reader but line feeds and tabs."""
    if text.isprintable():
        return text
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in text.split("\n"))


def safe(text: str) -> Markup:
    """*text* as part of HTML, between tags or in a quoted attribute."""
    return escape(shown(text))


def finalize(value: object) -> object:
    """What templates do to each value that they are about to write. Escaping comes after that."""
    return shown(value) if type(value) is str else value
