"""Every error the harness raises on purpose, and whose fault each one is.

::

    XenflightError
    ├── UsageError        the user's input is wrong; carries file and line      exit 2
    ├── LabError          our lab or our harness failed                         broken
    │   ├── CommandFailed     a command on a host ended with a bad status
    │   ├── HostLost          SSH to the host went away or never answered
    │   ├── HostOverloaded    the guest was slow, but so was its host
    │   ├── DeadlineExceeded  something of ours took longer than it may
    │   └── TooMuchOutput     a command said more than there is room for
    ├── GuestFailure      the guest under test misbehaved                       fail
    ├── Blocked           an earlier step of the job did not pass               blocked
    └── Starved           no host in time                                       starved

A class exists only where a caller decides differently on it. Each knows its osstest status.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.status import Status


class XenflightError(Exception):
    """Base of all. *message* says what is wrong; *hint* says what probably helps."""

    status: ClassVar[Status] = Status.BROKEN

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a user's file something stands; lines and columns count from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        parts = [self.file, self.line, self.column]
        return ":".join(str(part) for part in parts if part is not None)


class UsageError(XenflightError):
    """The user's input is wrong; nothing was done."""

    def __init__(
        self, message: str, *, hint: str | None = None, place: Place | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.place = place

    def __str__(self) -> str:
        text = super().__str__()
        return f"{self.place}: {text}" if self.place else text


class LabError(XenflightError):
    """Our lab or our harness failed: nothing is known about the guest."""

    status = Status.BROKEN


class CommandFailed(LabError):
    """A command ended with a status that was not expected."""

    def __init__(
        self, message: str, *, exit_status: int, stderr: str, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.exit_status = exit_status
        self.stderr = stderr


class HostLost(LabError):
    """The host does not answer over SSH, refused us, or is not the host we know."""


class DeadlineExceeded(LabError):
    """Something of ours took longer than it may. The message says what was seen last."""


class TooMuchOutput(LabError):
    """A command said more than a runner keeps, and was ended."""


class GuestFailure(XenflightError, AssertionError):
    """The guest under test misbehaved.

    It is an `AssertionError` too, so that every reporter built on pytest calls it a
    failure and not an error. *phase* is a boot phase or a step's part; *failure_class*
    is a short stable word such as ``kernel-panic``; *evidence* is text to show as it is,
    normally the last lines of the console.
    """

    status = Status.FAIL

    def __init__(
        self,
        message: str,
        *,
        phase: str | None = None,
        failure_class: str = "unexpected",
        evidence: str = "",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.phase = phase
        self.failure_class = failure_class
        self.evidence = evidence


class HostOverloaded(LabError):
    """A guest did not do something in time, while its host was overloaded: *said* tells how.

    Reporters show phase, class and evidence of *failure*, as far as they are known.
    """

    def __init__(self, said: str, failure: GuestFailure) -> None:
        super().__init__(
            f"the host was overloaded ({said}), so this says nothing of the guest:"
            f" {failure.message}",
            hint="see what else runs in dom0 and how many slots the host has; a larger"
            " timeout_factor only if that is its usual load",
        )
        self.failure = failure


class NotApplicable(XenflightError):
    """A step has nothing to test here; the message is the reason."""

    status = Status.SKIP


class Blocked(XenflightError):
    """An earlier step of the job did not pass; the message cites it."""

    status = Status.BLOCKED


class Starved(XenflightError):
    """No host was free in time."""

    status = Status.STARVED
