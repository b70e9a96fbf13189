"""A host's serial line: recorded while a job has the host, and asked what Xen and dom0 said."""

from __future__ import annotations

import re
from pathlib import Path

from harness.console.boot import BootWatcher
from harness.console.course import HOST_COURSE
from harness.console.recorder import ConsoleRecorder, Record
from harness.console.verdicts import Finding, find_sign
from harness.errors import GuestFailure
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.steps import StepRecord

_CRASHES = frozenset({"kernel-oops", "kernel-panic", "xen-panic", "hwdom-crash"})


class HostLine:
    """The line of the host *name*, to which *serial* listens; what it says goes to *directory*."""

    def __init__(
        self,
        name: str,
        serial: Command,
        directory: Path,
        *,
        record: Record = ConsoleRecorder,
        local: LocalRunner | None = None,
    ) -> None:
        self._name = name
        self._serial = serial
        self._directory = directory
        self._record = record
        self._local = local or LocalRunner()
        self._recorder: ConsoleRecorder | None = None

    @property
    def recorder(self) -> ConsoleRecorder:
        """Its recorder, which listens from the first time that somebody asks."""
        if self._recorder is None:
            self._directory.mkdir(parents=True, exist_ok=True)
            stream = self._local.open(self._serial)
            self._recorder = self._record(stream, self._directory, name=self._name)
        return self._recorder

    def mark(self) -> int:
        """Where on the line it is now."""
        return self.recorder.mark()

    def said_since(self, position: int) -> list[str]:
        """Cleaned lines."""
        return self.recorder.lines_since(position)

    def crashed_since(self, position: int) -> Finding | None:
        """What was said from *position* on of a crash of Xen or of dom0's kernel.

        A dom0 that crashed may answer for a while still, and then hang on whatever it is asked.
        """
        found = (find_sign(line) for line in self.said_since(position))
        return next((one for one in found if one and one.failure.name in _CRASHES), None)

    def watch_boot(self, step: StepRecord, start: int, hostname: str, factor: float) -> None:
        """See a boot that began at *start* come to the login of *hostname*, in phases of *step*.

        `GuestFailure` with phase and class when it does not.
        """
        prompt = rf"(?<![\w.-])(?P<own>{re.escape(hostname)}) login:(?P<other>)"
        BootWatcher(
            self.recorder,
            timeouts={},
            domain_state=lambda: "running",
            hostname=hostname,
            step=step,
            timeout_factor=factor,
            start=start,
            course=HOST_COURSE,
            prompt=re.compile(prompt),
        ).to_login()

    def close(self) -> None:
        """Listen no more; never raises."""
        if self._recorder:
            self._recorder.close()


def crash_failure(what: str, crash: Finding, phase: str | None) -> GuestFailure:
    """A crash of Xen or of dom0's kernel as a fault of what is under test; *what* says when."""
    return GuestFailure(
        f"{what}: {crash.line}",
        phase=phase,
        failure_class=f"host-{crash.failure.name}",
        evidence=crash.line,
    )
