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
    nothing: a misspelt one must not quietly run less than was asked for.
    """
    globs = [glob.strip() for entry in only for glob in entry.split(",")]
    if not globs:
        return tuple(jobs)
    names = [job.name for job in jobs]
    lost = [glob for glob in globs if not any(fnmatchcase(name, glob) for name in names)]
    if lost:
        msg = "; ".join(_no_match(glob, names) for glob in lost)
        raise UsageError(msg)
    return tuple(job for job in jobs if any(fnmatchcase(job.name, glob) for glob in globs))


def _no_match(glob: str, names: list[str]) -> str:
    near = nearest(glob.strip("*"), names)
    tail = f"did you mean {', '.join(near)}?" if near else f"the jobs are {listed(names)}"
    return f"no job matches {glob!r}; {tail}"
