"""A guest that had booted does not answer: did it die, by its own words on the console?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.console.follow import FindingLog
from harness.console.recorder import ConsoleRecorder
from harness.console.verdicts import explain
from harness.errors import GuestFailure

DEADLY = frozenset({"kernel-panic", "kernel-oops", "out-of-memory", "init-frozen"})
"""What may happen to a running guest. The other classes are a boot's, and a command's output
on the console could look like one."""


class DeathWatch:
    """What *recorder* has had to say since position *start*, where the guest had booted."""

    def __init__(self, recorder: ConsoleRecorder, start: int) -> None:
        self._recorder = recorder
        self._log = FindingLog(start)

    def cause_of(self, failure: GuestFailure) -> GuestFailure:
        """What to raise instead of *failure*: the guest's death, if it told of one."""
        self._log.catch_up(self._recorder)
        deaths = [one for one in self._log.findings if one.failure.name in DEADLY]
        if not deaths or failure.failure_class in DEADLY:
            return failure
        # The first, and not the most telling: the others came of it.
        first = deaths[0]
        return GuestFailure(
            f"{explain(first, deaths)}; then {failure.message}",
            phase=failure.phase,
            failure_class=first.failure.name,
            evidence=failure.evidence,
        )

    @contextmanager
    def told(self) -> Iterator[None]:
        """Wait for the guest inside: a `GuestFailure` that comes out is judged by `cause_of`."""
        try:
            yield
        except GuestFailure as failure:
            cause = self.cause_of(failure)
            if cause is failure:
                raise
            raise cause from failure
