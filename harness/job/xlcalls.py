"""What xl is asked to do with the guest under test: whose fault is it when it does not?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.errors import CommandFailed, DeadlineExceeded, GuestFailure, NotApplicable
from harness.xen.refusal import of_the_host

if TYPE_CHECKING:
    from harness.job.gueststate import GuestState

REFUSED, STALLED = "xl-refused", "xl-stalled"
"""Failure classes: xl said no, or did not come to an end."""
_CANNOT = "Failed to enable logdirty: 95"
"""EOPNOTSUPP: Xen has no way to follow what such a guest writes (XEN_DOMCTL_SHADOW_OP_*)."""


@contextmanager
def under_test(guest: GuestState, phase: str) -> Iterator[None]:
    """Ask xl inside for something that is itself under test; it is the phase *phase* of the step.

    xl, Xen and the guest do such a thing together, so what fails is `GuestFailure` (osstest's rule,
    too), unless xl's words put it down to the host, or the host does not answer.
    """
    with guest.waiting(), guest.step.phase(phase):
        try:
            yield
        except CommandFailed as error:
            if _CANNOT in error.stderr:
                msg = "its Xen cannot follow what such a guest writes while it moves"
                raise NotApplicable(msg) from error
            if of_the_host(error.stderr):
                raise
            raise _failure(guest, error, phase, REFUSED, error.stderr) from error
        except DeadlineExceeded as error:
            # `HostLost` when dom0 does not answer either: then nothing is known of the guest.
            guest.domain.state()
            raise _failure(guest, error, phase, STALLED, "") from error


def _failure(
    guest: GuestState,
    error: CommandFailed | DeadlineExceeded,
    phase: str,
    failure_class: str,
    said: str,
) -> GuestFailure:
    return GuestFailure(
        error.message,
        phase=phase,
        failure_class=failure_class,
        evidence=f"{said}\n\n{guest.recorder.tail()}".strip(),
    )
