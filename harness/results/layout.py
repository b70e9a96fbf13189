"""Where a flight's files are: every name under ``reports/runs/`` stands here and nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

LATEST = "latest"
_ATTEMPT = "attempt-"
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@=-]*")


def safe_name(name: str) -> str:
    """*name*, if it can be one part of a path and of a command; else `ValueError`."""
    if not _SAFE.fullmatch(name):
        msg = f"{name!r} cannot name a directory: use letters, digits and any of . _ + @ = -"
        raise ValueError(msg)
    return name


def earlier_path(path: str, attempt: int) -> str:
    """Where a job's file, at *path* relative to the flight's directory, is after an attempt."""
    jobs, job, rest = path.split("/", 2)
    return f"{jobs}/{job}/{_ATTEMPT}{attempt}/{rest}"


def within(directory: Path | None, path: str | None) -> Path | None:
    """*path*, as a results.json has it, below *directory*.

    None when its directory is not there, or it leads elsewhere: what is written is not believed.
    """
    if directory is None or not path:
        return None
    try:
        root, found = directory.resolve(), (directory / path).resolve()
    except (OSError, ValueError, RuntimeError):
        return None
    return found if found.is_relative_to(root) and found.parent.is_dir() else None


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

    def put_by(self) -> None:
        """It is to be tried again: what it has goes to a directory of its own, `earlier_path`.

        Well if it has nothing. `OSError` when that can't be done.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        old = [path for path in self.path.iterdir() if not path.name.startswith(_ATTEMPT)]
        number = 1 + sum(path.name.startswith(_ATTEMPT) for path in self.path.iterdir())
        place = self.path / f"{_ATTEMPT}{number}"
        place.mkdir()
        for path in old:
            path.rename(place / path.name)

    def attempt(self, number: int) -> JobDirectory:
        """The files of an earlier attempt, as `put_by` numbers them: from 1."""
        return JobDirectory(self.path / f"{_ATTEMPT}{number}")

    @property
    def evidence(self) -> Path:
        """A directory of what the host told after a step that did not pass."""
        return self.path / "evidence"

    def relative(self, path: Path) -> str:
        """*path* as results.json holds it: relative to the flight's directory."""
        return path.relative_to(self.path.parents[1]).as_posix()


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
    def about(self) -> Path:
        """Branch and blessing: what history must know, and results do not tell."""
        return self.path / "history.json"

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
    def verdict(self) -> Path:
        """What the gate said of it, once it was asked (docs/judge.md)."""
        return self.path / "verdict.json"

    @property
    def mail(self) -> Path:
        """The mail that was sent about it, or should have been (docs/mail.md)."""
        return self.path / "mail.eml"

    @property
    def allure(self) -> Path:
        """A directory of Allure results."""
        return self.path / "allure"

    def packages(self, key: str) -> Path:
        """The packages of the image with that *key*, and their versions."""
        return self.path / "packages" / f"{safe_name(key)}.json"

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
