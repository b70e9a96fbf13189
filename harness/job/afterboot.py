"""A host that died under a guest, and what it tells when it is back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from harness.errors import LabError
from harness.evidence.after import AFTER
from harness.evidence.collect import PATIENCE, Collector
from harness.evidence.link import Link
from harness.evidence.mask import Mask
from harness.evidence.model import Index
from harness.evidence.sink import TextSink
from harness.host.xenhost import XenHost
from harness.job.care import CONSOLE, CareAnswer, CareRequest, HostCare, Want
from harness.job.evidence import Reconnect, Taken, occasion_now
from harness.results.layout import JobDirectory
from harness.results.model import EvidenceResult

DIRECTORY = "after-reboot"
"""Beside the evidence that was taken, or tried, before."""
HOST_CONSOLE = "host-console.txt"
_KEPT = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Back:
    """What was done about a host. *host* is a new connection to it, if it booted again."""

    said: str
    again: Reconnect
    console: Path
    """What was recorded of it outside of it, if there is such a file."""
    host: XenHost | None = None

    def told(self, taken: Taken, files: JobDirectory, mask: Mask) -> EvidenceResult:
        """*taken*, and what the host tells now of its boot before this one.

        `OSError` when nothing can be written.
        """
        notes = [taken.result.note, self.said]
        if self.host:
            index = self._read_again(self.host, taken, files.evidence / DIRECTORY, mask)
            asked = len(index.items)
            notes.append(f"read again: {index.had} of {asked} things are in {DIRECTORY}/")
        note = "; ".join(filter(None, notes))
        return taken.result.model_copy(update={"note": mask.text(note)})

    def _read_again(self, host: XenHost, taken: Taken, directory: Path, mask: Mask) -> Index:
        link = Link(host.runner, lambda: self.again().runner, host.stretched(PATIENCE))
        occasion = occasion_now(taken)
        collector = Collector(link, occasion, directory, mask, factor=host.timeout_factor)
        index = collector.collect(AFTER)
        self._copy_console(directory / HOST_CONSOLE, mask)
        return index

    def _copy_console(self, path: Path, mask: Mask) -> None:
        try:
            said = self.console.read_bytes()
        except FileNotFoundError:
            return
        path.unlink(missing_ok=True)
        sink = TextSink(path, _KEPT, mask)
        sink.add(said)
        sink.close("")


Rescue = Callable[[Taken], Back | None]
"""Has something done about the host whose evidence was taken, if need be; None if nothing was."""


@dataclass(frozen=True, kw_only=True)
class HostRescue:
    """The real `Rescue`: asks the flight's controller, for a *job* that began at *since*."""

    care: HostCare
    controller: int
    """The process that answers."""
    bound: timedelta
    """How long that may take."""
    job: str
    since: float
    """Seconds since the epoch."""
    again: Reconnect
    now: Callable[[], float]

    def __call__(self, taken: Taken) -> Back | None:
        """Also where the host answers by now, because another job has asked already."""
        try:
            answer = self._ask() if taken.suspect else self.care.rebooted_since(self.since)
        except LabError as error:
            return self._back(f"nothing was done about the host: {error}")
        if answer is None:
            return None
        if not answer.rebooted:
            # One that only seemed to be gone was asked already, over the new connection.
            return self._back(answer.said) if not taken.result.had else None
        try:
            return self._back(answer.said, self.again())
        except LabError as error:
            return self._back(f"{answer.said}; {error}")

    def _ask(self) -> CareAnswer:
        request = CareRequest(
            want=Want.POWER,
            job=self.job,
            why="its connection to the host was lost",
            at=self.now(),
            since=self.since,
        )
        self.care.ask(request)
        return self.care.wait(request, self.controller, self.bound)

    def _back(self, said: str, host: XenHost | None = None) -> Back:
        console = self.care.path / CONSOLE
        return Back(said=said, again=self.again, console=console, host=host)
