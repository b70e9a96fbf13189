"""A comparison as one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from harness.compare.model import Change, Comparison, JobPair, Measure
from harness.compare.text import TITLES, explained, odds, verdict_words
from harness.errors import LabError
from harness.results.recorder import write_atomically
from harness.site.render import STATIC, environment

_STYLE = """
.ratio { fill: var(--skip-fill); } .ratio.differs { fill: var(--fail-fill); }
.ratio.faster { fill: var(--pass-fill); } .one { fill: var(--dim); }
"""
_WIDEST = math.log(4)
"""A chart goes from a quarter to four times as long."""


class Verdict(NamedTuple):
    """What follows from a comparison, and why: of what kind, of which job, in what words."""

    answer: str
    rows: Sequence[tuple[str, str, str]]


def comparison_page(found: Comparison, made: datetime, verdict: Verdict | None = None) -> str:
    """The page. All foreign text in it is cleaned and escaped."""
    style = (STATIC / "site.css").read_text(encoding="utf-8") + _STYLE
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    # Nothing runs, nothing is fetched, and of styles only the one that stands in the page.
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        environment()
        .get_template("compare.html")
        .render(
            found=found,
            verdict=verdict,
            made=made,
            policy=policy,
            style=Markup(style),  # ours
            sections=[(title, found.of(change)) for change, title in TITLES.items()],
            both=len(found.of(Change.PASSES)),
            odds=odds(found),
            explained=" ".join(explained(found.measures, found.rounds)) if found.measures else "",
            rows=[(one, verdict_words(one), chart(one)) for one in found.measures],
            look=look,
        )
    )


def write_page(
    found: Comparison, path: Path, made: datetime, verdict: Verdict | None = None
) -> None:
    """Write it to *path*; `LabError` if it can't be."""
    try:
        write_atomically(path, comparison_page(found, made, verdict))
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}"
        raise LabError(msg) from error


def look(pair: JobPair) -> Sequence[tuple[str, str]]:
    """What each side says of a failure: side and words."""
    sides = (("A", pair.a), ("B", pair.b))
    return [(side, f"{one.step}: {one.look or ''}") for side, one in sides if one.step]


def chart(one: Measure) -> Markup:
    """The ratio with its interval, on a scale of logarithms around 1."""

    def at(ratio: float) -> float:
        inside = max(-1.0, min(1.0, math.log(max(ratio, 1e-9)) / _WIDEST))
        return 50 + 48 * inside

    low, high = (one.low, one.high) if one.enough else (one.ratio, one.ratio)
    left, right = at(low), at(high)
    kind = "ratio" if not one.differs else "ratio differs" if one.ratio > 1 else "ratio faster"
    return Markup(
        '<svg width="100%" height="16" aria-hidden="true">'
        '<rect class="one" x="50%" y="0" width="1" height="16"/>'
        '<rect class="{0}" x="{1:.2f}%" y="6" width="{2:.2f}%" height="4"/>'
        '<circle class="{0}" cx="{3:.2f}%" cy="8" r="4"/></svg>'
    ).format(kind, left, max(right - left, 0.2), at(one.ratio))
