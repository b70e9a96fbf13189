"""What a run of one job tells its flight, read from its directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.results.layout import FlightDirectory
from harness.results.load import add_up, read_text
from harness.results.model import HostFacts, ImageFacts, JobResult, StepResult

MOST_FILE = 4 << 20
"""Bytes of one file; a longer one, such as a guest's memory, stays where it is."""
MOST_FILES = 16 << 20
"""Bytes of all files of one attempt."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """All that matters of a run to the flight that it is part of."""

    job: JobResult
    over: bool = False
    """Whether the run came to its end."""
    hosts: tuple[HostFacts, ...] = ()
    images: tuple[ImageFacts, ...] = ()
    problems: tuple[str, ...] = ()
    leak_check: StepResult | None = None


def read_told(files: FlightDirectory, job: str) -> Told | None:
    """What the run has told of *job* by now; None when it has not begun to."""
    if not files.events.exists():
        return None
    try:
        result = add_up(files.events, read_text(files.events)).result()
    except UsageError:
        # Its first line is being written, or its disk is full: there is no other witness.
        return None
    found = next((one for one in result.jobs if one.name == job), None)
    if found is None:
        return None
    return Told(
        job=found,
        over=result.ended is not None,
        hosts=result.hosts,
        images=result.images,
        problems=result.problems,
        leak_check=result.leak_check,
    )


def job_files(files: FlightDirectory, job: str) -> dict[str, bytes]:
    """What the run left of *job*, by its path in the job's directory, within bounds."""
    top = files.job(job).path
    found: dict[str, bytes] = {}
    left = MOST_FILES
    for path in sorted(top.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        size = path.stat().st_size
        if size <= min(left, MOST_FILE):
            found[path.relative_to(top).as_posix()] = path.read_bytes()
            left -= size
    return found


def last_lines(log: Path, count: int = 3) -> str:
    """The end of what a run said, in one line; empty when it said nothing."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return " | ".join([line.strip() for line in lines if line.strip()][-count:])
