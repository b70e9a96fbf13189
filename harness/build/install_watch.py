"""How far Debian's installer is, read off its console."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.build.preseed import INSTALLED, PHASE_MARK
from harness.status import Status
from harness.steps import StepRecord
from harness.wait import Clock

# debconf's text front end (cdebconf): it waits for somebody to answer, and nobody will. What it has
# to say ("!! ERROR: Bad archive mirror") comes before.
_QUESTION = re.compile(r"\[Press enter to continue\]|^Prompt: .*> *$")


class Asked(Exception):
    """The installer asked something that has no answer."""


@dataclass
class InstallWatcher:
    """Reads the installer's console: how far it is, and whether it waits for somebody."""

    clock: Clock
    phase: str = "boot"
    began: float = field(init=False)
    done: list[tuple[str, float, float]] = field(default_factory=list)
    """Name, begin and end of each phase that is over."""

    def __post_init__(self) -> None:
        self.began = self.clock.monotonic()

    def line(self, line: str) -> None:
        """Take a line; raises when it is a question."""
        if PHASE_MARK in line:
            self._enter(line.partition(PHASE_MARK)[2].strip())
        elif _QUESTION.search(line):
            raise Asked(line.strip())

    def record(self, step: StepRecord) -> None:
        """Write the phases into the step, the last as failed if it is not the last of all."""
        self._enter(self.phase)
        for number, (name, began, ended) in enumerate(self.done):
            whole = number < len(self.done) - 1 or name == INSTALLED
            status = Status.PASS if whole else Status.FAIL
            step.add_phase(f"install-{name}", began, ended, status)

    def _enter(self, phase: str) -> None:
        now = self.clock.monotonic()
        self.done.append((self.phase, self.began, now))
        self.phase, self.began = phase, now
