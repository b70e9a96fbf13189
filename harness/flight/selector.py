"""Choosing some jobs of a flight by their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from harness.errors import UsageError
from harness.flight.hints import listed, nearest
from harness.flight.model import JobSpec


def select(jobs: Sequence[JobSpec], only: Iterable[str]) -> tuple[JobSpec, ...]:
    """The jobs whose names match any glob of *only*, in their own order; all when it is empty.

    One entry may hold several globs with commas between. `UsageError` when a glob matches
    nothing: a misspelt one must not quietly run less than was asked for; and when all that
    match are skipped: whoever picks a job by hand wants it to run, and is told why it cannot.
    """
    globs = [glob.strip() for entry in only for glob in entry.split(",")]
    if not globs:
        return tuple(jobs)
    names = [job.name for job in jobs]
    lost = [glob for glob in globs if not any(fnmatchcase(name, glob) for name in names)]
    if lost:
        msg = "; ".join(_no_match(glob, names) for glob in lost)
        raise UsageError(msg)
    found = tuple(job for job in jobs if any(fnmatchcase(job.name, glob) for glob in globs))
    if all(job.skip for job in found):
        raise UsageError(_all_skipped(found))
    return found


def _all_skipped(jobs: Sequence[JobSpec]) -> str:
    if len(jobs) == 1:
        return f"{jobs[0].name} is skipped: {jobs[0].skip}"
    reasons = [f"{reason} ({len(found)})" for reason, found in by_reason(jobs).items()]
    return f"all {len(jobs)} jobs that match are skipped: {'; '.join(reasons)}"


def by_reason(jobs: Iterable[JobSpec]) -> dict[str, list[JobSpec]]:
    """The skipped ones of *jobs* by their reason, the most frequent one first."""
    found: dict[str, list[JobSpec]] = {}
    for job in jobs:
        if job.skip:
            found.setdefault(job.skip, []).append(job)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def _no_match(glob: str, names: list[str]) -> str:
    near = nearest(glob.strip("*"), names)
    tail = f"did you mean {', '.join(near)}?" if near else f"the jobs are {listed(names)}"
    return f"no job matches {glob!r}; {tail}"
