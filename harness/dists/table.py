"""All distributions there are."""

from __future__ import annotations

from harness.dists import debian
from harness.dists.model import Dist
from harness.errors import UsageError

TABLE: dict[str, Dist] = {dist.name: dist for dist in debian.DISTS}
"""By the name that a flight uses. A new family's module adds its own here."""


def find_dist(name: str) -> Dist:
    """The distribution of that name; `UsageError` lists the known ones."""
    try:
        return TABLE[name]
    except KeyError as error:
        msg = f"unknown dist {name!r}; known are: {', '.join(sorted(TABLE))}"
        raise UsageError(msg, hint="docs/adding-a-dist.md says how to add one") from error
