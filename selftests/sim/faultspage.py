"""docs/faults.md as data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from harness.flight.faults import FaultKind
from sim.project import ROOT

PAGE = ROOT / "docs" / "faults.md"
COLUMNS = ("fault", "step", "status", "class", "again", "exit", "the user sees", "left")
NOTHING, SWEPT, NEXT = "nothing", "swept", "until the next flight"
HOSTS, KNOWN_GOOD, LIFECYCLE = "hosts: 2", "known-good: true", "flight: lifecycle"
"""What stands among the faults and is none: a second host, a flight that passed before, and
another flight than smoke."""
_CODE = re.compile(r"`([^`]+)`")
_QUOTED = re.compile(r'"([^"]+)"')
_SETTING = re.compile(r"[a-z-]+: .+")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the page."""

    line: int
    words: tuple[str, ...]
    """Faults, and how the host is, as hosts.yaml has both."""
    step: str
    status: str
    failure_class: str
    again: str
    exit_code: int
    phrases: tuple[str, ...]
    left: str

    @property
    def faults(self) -> tuple[str, ...]:
        return tuple(word for word in self.words if not _SETTING.fullmatch(word))

    @property
    def settings(self) -> str:
        """Of the host."""
        found = set(self.words) - set(self.faults) - {HOSTS, KNOWN_GOOD, LIFECYCLE}
        return "\n    ".join(sorted(found))

    @property
    def count(self) -> int:
        """How many hosts there are."""
        return 2 if HOSTS in self.words else 1

    @property
    def known_good(self) -> bool:
        """Whether a flight passed there before."""
        return KNOWN_GOOD in self.words

    @property
    def flight(self) -> str:
        """Which one runs."""
        return "lifecycle" if LIFECYCLE in self.words else "smoke"

    @property
    def kinds(self) -> set[FaultKind]:
        # Not as YAML 1.1 has it, where "on" is true.
        loaded = [yaml.load(text, Loader=yaml.BaseLoader) for text in self.faults]
        return {FaultKind(one if isinstance(one, str) else one["kind"]) for one in loaded}

    def __str__(self) -> str:
        return ", ".join(self.words)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables(path: Path, first: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of all tables whose first column is *first*, with their lines."""
    inside: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith("|"):
            inside = []
        elif not inside:
            inside = cells(line)
        elif inside[0] == first and not set(line) <= set("|-: "):
            yield number, cells(line)


@cache
def rows() -> tuple[Row, ...]:
    found = []
    for number, row in tables(PAGE, "fault"):
        if len(row) != len(COLUMNS):
            continue
        fault, step, status, failure_class, again, code, seen, left = row
        found.append(
            Row(
                line=number,
                words=tuple(_CODE.findall(fault)),
                step=step,
                status=status,
                failure_class=failure_class,
                again=again,
                exit_code=int(code),
                phrases=tuple(_QUOTED.findall(seen)),
                left=left,
            )
        )
    return tuple(found)


def shown_elsewhere() -> list[str]:
    """The tests that show what a simulation cannot."""
    return [_CODE.findall(row[2])[0] for _, row in tables(PAGE, "fault") if len(row) == 3]
