"""What the processes of a flight ask its controller to do about the host, and what it answered.

Jobs run in several processes, and a dead host kills the jobs of all; but it shall be power-cycled
once, and one canary shall decide. So the controller does both, asked by files in the flight's
directory, as images are told of by files (`harness.job.outcomes`). While something is asked and
not answered, no job begins.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from harness.errors import DeadlineExceeded, LabError, Starved
from harness.job.prepared import write_record
from harness.results.layout import safe_name
from harness.steps import StepRecord
from harness.wait import SYSTEM_CLOCK, Clock, Deadline, NotYet, wait_for

CARE = "host"
"""The directory, in that of the flight."""
PHASE = "host"
"""The phase of ``guest-create`` in which a job waits for what is done about the host."""
CONSOLE = "console-before.txt"
"""What was recorded of the host outside of it, before it was power-cycled."""
_ASKED, _ANSWERED = ".asked.json", ".answer.json"
_INTERVAL = timedelta(milliseconds=250)
R = TypeVar("R", bound=BaseModel)


class Want(StrEnum):
    """What is asked for."""

    POWER = "power"
    """The host does not answer: have it back."""
    CANARY = "canary"
    """A job was broken on it: is it well?"""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CareRequest(_Record):
    """Something about the host, for a job; a job asks for each thing once."""

    want: Want
    job: str
    why: str
    at: float
    """Seconds since the epoch."""
    since: float = 0.0
    """When the job began to use the host, likewise."""

    @property
    def name(self) -> str:
        """Stands for it among the others of its flight."""
        return f"{self.want}-{safe_name(self.job)}"


class CareAnswer(_Record):
    """What was done about it, in words."""

    said: str
    rebooted: bool = False
    """The host is up, and it is another boot of it."""
    unusable: str = ""
    """Why no job may begin there any more; empty when they may."""
    at: float = 0.0
    """Seconds since the epoch."""


class HostCare:
    """What is asked and answered of *host* in the flight in *directory*. For any process."""

    def __init__(self, directory: Path, host: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self.host = host
        self.path = directory / CARE / safe_name(host)
        self._clock = clock

    # -- for who asks ------------------------------------------------------------------

    def ask(self, request: CareRequest) -> None:
        """Ask; `LabError` when that can't be written."""
        write_record(self._asked(request), request)

    def wait(self, request: CareRequest, controller: int, bound: timedelta) -> CareAnswer:
        """The answer. `LabError` when the process *controller* is gone, or after *bound*."""

        def check() -> CareAnswer:
            alive = _runs(controller)
            if found := _read(self._answered(request), CareAnswer):
                return found
            _require(alive, f"before it answered for {request.name}")
            msg = "no answer"
            raise NotYet(msg)

        deadline = Deadline.after(bound, self._clock)
        what = f"what is done about the host ({request.name})"
        return wait_for(check, what=what, deadline=deadline, interval=_INTERVAL)

    def settle(self, controller: int, bound: timedelta, step: StepRecord) -> None:
        """Wait until nothing is to be done about the host, as a phase of *step*, if need be.

        `Starved` when no job may begin there any more. After *bound* the host is taken as it is.
        """

        def check() -> None:
            alive = _runs(controller)
            if not (found := self.pending()):
                return
            _require(alive, "while something was done about the host")
            raise NotYet(", ".join(request.name for request in found))

        if self.pending():
            deadline = Deadline.after(bound, self._clock)
            with step.phase(PHASE), suppress(DeadlineExceeded):
                wait_for(check, what=self.host, deadline=deadline, interval=_INTERVAL)
        if self.unusable:
            raise Starved(self.unusable)

    @property
    def unusable(self) -> str:
        """Why no job may begin there any more; empty when they may."""
        return next((answer.unusable for answer in self.answers() if answer.unusable), "")

    def rebooted_since(self, moment: float) -> CareAnswer | None:
        """The last answer that tells of a reboot of the host after *moment*; None without one."""
        found = [one for one in self.answers() if one.rebooted and one.at >= moment]
        return max(found, key=lambda one: one.at, default=None)

    def awaits(self) -> str:
        """What jobs that begin wait for, in words; empty when for nothing."""
        wants = {request.want for request in self.pending()}
        if Want.POWER in wants:
            return f"{self.host}, which does not answer"
        return f"a canary, which proves {self.host}" if wants else ""

    # -- for the controller ------------------------------------------------------------

    def pending(self) -> list[CareRequest]:
        """What was asked and not answered, oldest first."""
        paths = self._files(_ASKED)
        open_ones = [path for path in paths if not self._answer_of(path).exists()]
        found = [_read(path, CareRequest) for path in open_ones]
        return sorted((one for one in found if one), key=lambda one: one.at)

    def answer(self, request: CareRequest, answer: CareAnswer) -> None:
        """Answer; `LabError` when that can't be written."""
        write_record(self._answered(request), answer)

    def answers(self) -> Iterator[CareAnswer]:
        """All that were given."""
        for path in self._files(_ANSWERED):
            if found := _read(path, CareAnswer):
                yield found

    def _files(self, end: str) -> list[Path]:
        # Asked of each host again and again, while as a rule nobody has ever wanted anything.
        try:
            found = list(self.path.iterdir())
        except OSError:
            return []
        return sorted(
            path for path in found if path.name.endswith(end) and not path.name.startswith(".")
        )

    def _asked(self, request: CareRequest) -> Path:
        return self.path / (request.name + _ASKED)

    def _answered(self, request: CareRequest) -> Path:
        return self.path / (request.name + _ANSWERED)

    @staticmethod
    def _answer_of(asked: Path) -> Path:
        return asked.with_name(asked.name.removesuffix(_ASKED) + _ANSWERED)


def _runs(controller: int) -> bool:
    return controller == os.getpid() or Path(f"/proc/{controller}").exists()


def _require(alive: bool, when: str) -> None:
    if not alive:
        msg = f"the controller ended {when}"
        raise LabError(msg)


def _read(path: Path, model: type[R]) -> R | None:
    try:
        return model.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
