"""Where a flight's files are: every name under ``reports/runs/`` stands here and nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

LATEST = "latest"
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@=-]*")


def safe_name(name: str) -> str:
    """*name*, if it can be one part of a path and of a command; else `ValueError`."""
    if not _SAFE.fullmatch(name):
        msg = f"{name!r} cannot name a directory: use letters, digits and any of . _ + @ = -"
        raise ValueError(msg)
    return name


@dataclass(frozen=True)
class JobDirectory:
    """The files of one job."""

    path: Path

    @property
    def console_log(self) -> Path:
        """What the guest wrote on its console, byte for byte."""
        return self.path / "console.log"

    @property
    def console_cast(self) -> Path:
        """The same with times, as asciicast v2."""
        return self.path / "console.cast"

    @property
    def xl_cfg(self) -> Path:
        """The domain's configuration, as given to xl."""
        return self.path / "xl.cfg"


@dataclass(frozen=True)
class FlightDirectory:
    """The files of one flight."""

    path: Path

    @classmethod
    def of(cls, reports: Path, flight_id: str) -> FlightDirectory:
        """That of *flight_id* below *reports*; nothing is made."""
        if flight_id == LATEST:
            msg = f"a flight cannot be called {LATEST!r}"
            raise ValueError(msg)
        return cls(reports / "runs" / safe_name(flight_id))

    @property
    def plan(self) -> Path:
        """The jobs as planned."""
        return self.path / "plan.json"

    @property
    def events(self) -> Path:
        """All that happened, a line each, written as it happens."""
        return self.path / "events.jsonl"

    @property
    def results(self) -> Path:
        """What it adds up to (docs/results.md)."""
        return self.path / "results.json"

    @property
    def junit(self) -> Path:
        """The same for CI systems."""
        return self.path / "junit.xml"

    @property
    def allure(self) -> Path:
        """A directory of Allure results."""
        return self.path / "allure"

    @property
    def latest(self) -> Path:
        """The symbolic link beside it that leads to the newest flight."""
        return self.path.parent / LATEST

    def job(self, name: str) -> JobDirectory:
        """The directory of the job called *name*."""
        return JobDirectory(self.path / "jobs" / safe_name(name))

    def relative(self, path: Path) -> str:
        """*path* as results.json holds it: relative to the flight's directory."""
        return path.relative_to(self.path).as_posix()
