"""The templates, and what they may use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache, partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness import __version__
from harness.site import paths
from harness.site.archive import Head
from harness.site.text import finalize, safe
from harness.status import WORST_FIRST, Status
from harness.units import human_seconds, human_size

HERE = Path(__file__).parent
STATIC = HERE / "static"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'"
)
"""Content Security Policy of every page: the site's style sheets and scripts, nothing that stands
in the page itself, nothing from elsewhere. To browsers a file beside the page is 'self', too."""
LIVE_CSP = f"{CSP}; connect-src 'self'"
"""That of pages that are served: they may ask their server for themselves, to be renewed."""
GLYPHS = {
    Status.PASS: "✓",
    Status.FAIL: "✕",
    Status.BROKEN: "!",
    Status.BLOCKED: "·",
    Status.STARVED: "…",
    Status.SKIP: "–",
    Status.ABORTED: "■",
}


@cache
def environment() -> Environment:
    """The one environment: everything is escaped, and a slip in a template is an error."""
    found = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals |= {
        "CSP": CSP,
        "LIVE_CSP": LIVE_CSP,
        "GLYPHS": GLYPHS,
        "version": __version__,
        "paths": paths,
    }
    found.filters |= {
        "when": when,
        "day": day,
        "seconds": human_seconds,
        "size": human_size,
        "pill": pill,
        "counts": counts,
    }
    return found


def render(template: str, page: str, values: Mapping[str, object]) -> bytes:
    """The page at the path *page*, as UTF-8."""
    link = partial(paths.relative, page=page)
    text = environment().get_template(template).render({**values, "page": page, "link": link})
    return text.encode("utf-8", "replace")


def when(at: datetime | None) -> str:
    """A moment, to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "unknown"


def day(at: datetime) -> str:
    """Its day."""
    return f"{at:%Y-%m-%d}"


def pill(status: Status | str) -> Markup:
    """The word of a status, with its sign and its colour."""
    glyph = GLYPHS.get(Status(status), "") if status in set(Status) else "▸"
    return Markup('<span class="pill s-{0}"><span aria-hidden="true">{1}</span> {0}</span>').format(
        safe(str(status)), glyph
    )


def counts(head: Head) -> str:
    """How many jobs came to which end, such as ``2 fail, 119 pass``."""
    statuses = list(head.jobs.values())
    found = {status: statuses.count(status) for status in WORST_FIRST}
    words = {status: str(status) for status in found}
    if head.running:
        words[Status.ABORTED] = "not over"
    return ", ".join(f"{count} {words[status]}" for status, count in found.items() if count)
