"""Where the controller sends jobs: a file for each, when the job is given out."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.cache import exclusive
from harness.job.prepared import write_record
from harness.results.layout import safe_name

PLACED = "placed"


class Placed(BaseModel):
    """Where a job is to run, if there is room when it comes there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    peer: str = ""
    """Its second host, if it needs one."""
    crashed: tuple[str, ...] = ()
    """Hosts on which whoever ran it before died; what it left there has no owner."""


class Placements:
    """Those in a flight's *directory*. For any process."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / PLACED

    def write(self, job: str, host: str, crashed: Collection[str] = (), *, peer: str = "") -> None:
        """Send *job* to *host*; `LabError` when that can't be written."""
        write_record(self._path(job), Placed(host=host, peer=peer, crashed=tuple(crashed)))

    def find(self, job: str) -> Placed | None:
        """Where *job* was sent; None when it was not, or nobody can tell: it then finds a place
        by itself."""
        try:
            return Placed.model_validate_json(self._path(job).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def clearing(self, job: str) -> AbstractContextManager[None]:
        """Held by whoever removes what was left of *job* when a process died: two may want to, and
        the guest of its next attempt has the same name."""
        lock = self._directory / f".{safe_name(job)}.lock"
        return exclusive(lock, what=f"removing what was left of {job}")

    def _path(self, job: str) -> Path:
        return self._directory / f"{safe_name(job)}.json"
