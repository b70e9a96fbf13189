"""The tables of names in ``data``, which `harness.grub.table` makes of Debian's packages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, kw_only=True)
class Table:
    """One of them. *options* is name -> kind, with the values that there are behind it."""

    name: str
    package: str
    version: str
    options: Mapping[str, str]

    @property
    def title(self) -> str:
        """``xen-4.17`` as people say it: ``Xen 4.17``."""
        return self.name.replace("-", " ", 1).capitalize()


@cache
def table(name: str) -> Table:
    """The table called *name*."""
    found = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return Table(
        name=found["name"],
        package=found["package"],
        version=found["version"],
        options=found["options"],
    )


@cache
def tables(kind: str) -> tuple[Table, ...]:
    """Those whose names begin with *kind* and a dash; ``xen``, ``linux``, ``userland``."""
    found = sorted(path.stem for path in DATA.glob(f"{kind}-*.json"))
    return tuple(sorted((table(name) for name in found), key=lambda one: _order(one.name)))


def _order(name: str) -> tuple[str, tuple[int, ...]]:
    """4.20 comes after 4.9."""
    kind, _, version = name.partition("-")
    return kind, tuple(int(part) for part in version.split(".") if part.isdigit())


def names(name: str) -> frozenset[str]:
    """The names in one table."""
    return frozenset(table(name).options)
