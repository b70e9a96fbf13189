"""A guest was too slow, or only seemed so: is it the guest, or an overloaded host?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.console.verdicts import FAILURE_CLASSES
from harness.errors import GuestFailure, HostOverloaded, XenflightError
from harness.host.overload import PressureWatch
from harness.status import Status
from harness.steps import StepRecord

SLOW = frozenset(
    {
        *(failure.name for failure in FAILURE_CLASSES if failure.slow),
        "silent",
        "phase-timeout",
        "no-login-prompt",
        "login-stalled",
        "console-stalled",
        "no-address",
        "never-succeeded",
        "no-ssh",
        "not-said",
        "ssh-stalled",
        "no-shutdown",
        "xl-stalled",
        "process-stuck",
        "no-reboot",
        "no-end",
        "vcpus-stay",
        "balloon-stays",
        "attach-stalled",
        "detach-stalled",
        "growth-unseen",
        "not-allocated",
        "discard-lost",
        "data-lost",
        "stays-down",
    }
)
"""The failure classes that say no more than that something did not come in time. A panic is
none: a host may be as busy as it likes."""


def whose_delay(failure: GuestFailure, watch: PressureWatch, seconds: float) -> XenflightError:
    """What to raise instead of *failure*, which was *seconds* in the making.

    Itself, unless it is about time and the host was overloaded for that long. Raises
    `HostLost` when the host is gone: then nothing is known of the guest either.
    """
    if failure.failure_class not in SLOW:
        return failure
    said = watch.overload(seconds)
    return failure if said is None else HostOverloaded(said, failure)


@contextmanager
def told_from_overload(watch: PressureWatch, step: StepRecord) -> Iterator[None]:
    """Wait for a guest inside: a `GuestFailure` that comes out is judged by `whose_delay`."""
    began = step.clock.monotonic()
    watch.sample()
    try:
        yield
    except GuestFailure as failure:
        seconds = _time_of(failure, step, step.clock.monotonic() - began)
        judged = whose_delay(failure, watch, seconds)
        if judged is failure:
            raise
        raise judged from failure


def _time_of(failure: GuestFailure, step: StepRecord, waited: float) -> float:
    """Seconds that it took to fail: those of the phase that failed, where one is known."""
    last = step.phases[-1] if step.phases else None
    if last and last.name == failure.phase and last.status is Status.FAIL:
        return last.duration
    return waited
