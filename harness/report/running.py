"""The flights that write below a directory, as far as they have come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.report.status import status_lines
from harness.results.heard import SILENCE, heard_of, read_result
from harness.results.model import FlightResult
from harness.results.progress import progress_of


@dataclass(frozen=True, kw_only=True)
class Look:
    """What can be seen of one flight at the moment *now*."""

    result: FlightResult
    heard: datetime | None
    now: datetime

    @property
    def running(self) -> bool:
        """Whether it has not ended, and is not taken for dead."""
        silent = self.heard is None or self.now - self.heard >= SILENCE
        return self.result.ended is None and not silent

    @property
    def lines(self) -> list[str]:
        """The same for people."""
        return list(status_lines(self.result, now=self.now, heard=self.heard))

    @property
    def data(self) -> dict[str, Any]:
        """The same for machines."""
        doing = [
            {"job": one.job, "testid": one.testid, "since": one.since.isoformat()}
            for one in progress_of(self.result).doing
        ]
        counts = asdict(progress_of(self.result))
        del counts["doing"]
        return {
            "flight_id": self.result.flight_id,
            "running": self.running,
            "started": self.result.started.isoformat(),
            "heard": self.heard.isoformat() if self.heard else None,
            **counts,
            "doing": doing,
        }


def look_at(paths: Iterable[Path], now: datetime | None = None) -> list[Look]:
    """The flights in the directories *paths*; what cannot be read is left out."""
    found = []
    for path in paths:
        try:
            result = read_result(path)
        except UsageError:
            continue
        found.append(Look(result=result, heard=heard_of(path), now=now or datetime.now(UTC)))
    return found
