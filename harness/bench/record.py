"""Findings of earlier runs, kept in the user's data directory: a line of JSON for each run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from harness import __version__
from harness.bench.machine import Machine
from harness.bench.model import Better, Finding
from harness.errors import UsageError
from harness.store.url import data_root

SCHEMA_VERSION = 1
FILE = "bench.jsonl"


class Figure(BaseModel):
    """A `Finding`, as JSON."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    name: str
    value: float
    unit: str
    goal: float
    better: Better
    details: str = ""

    @property
    def reached(self) -> bool:
        """Whether the goal was reached."""
        return self.finding.reached

    @property
    def finding(self) -> Finding:
        """The same, as it was found."""
        return Finding(**self.model_dump())


class BenchRun(BaseModel):
    """One run of benchmarks."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = SCHEMA_VERSION
    at: AwareDatetime
    version: str
    revision: str
    """The harness's own commit; empty when it is not known."""
    machine: Machine
    figures: tuple[Figure, ...]


def usual_file() -> Path:
    """Where runs are kept unless somebody says otherwise; it need not be there."""
    return data_root() / FILE


def keep(findings: Sequence[Finding], machine: Machine, path: Path, revision: str = "") -> None:
    """Add a run of the harness at *revision* to *path*; `UsageError` when it can't be written."""
    run = BenchRun(
        at=datetime.now(UTC),
        version=__version__,
        revision=revision,
        machine=machine,
        figures=tuple(Figure(**asdict(finding)) for finding in findings),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One write of one line: whoever writes at the same time stands before or after it.
        with path.open("a", encoding="utf-8") as file:
            file.write(run.model_dump_json() + "\n")
    except OSError as error:
        msg = f"the figures could not be kept in {path}: {error.strerror}"
        raise UsageError(msg) from error


def kept(path: Path) -> tuple[list[BenchRun], list[str]]:
    """The runs in *path*, the oldest first, and what is wrong with lines that are none."""
    if path.exists() and not path.is_file():
        msg = f"{path}: this is no ordinary file"
        raise UsageError(msg)
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return [], []
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise UsageError(msg) from error
    runs: list[BenchRun] = []
    wrong: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            runs.append(_run(line))
        except ValueError as error:
            wrong.append(f"{path}:{number}: {error}")
    return sorted(runs, key=lambda run: run.at), wrong


def _run(line: str) -> BenchRun:
    data = json.loads(line)
    version = data.get("schema_version") if isinstance(data, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        msg = f"written by a newer xenflight (schema version {version})"
        raise ValueError(msg)
    try:
        return BenchRun.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the line"
        msg = f"{place}: {first['msg']}"
        raise ValueError(msg) from error
