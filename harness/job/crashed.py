"""What a job left on a host whose worker died: removed before the job begins anew.

Its slot is free by then, for the lock went with the channel; but whoever gets that slot next need
not be the same job, and until then nobody removes the guest, which has the job's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from harness.errors import LabError
from harness.flight.model import JobSpec
from harness.flight.plan import Plan
from harness.host.revoke import revoke_leases
from harness.host.xenhost import XenHost
from harness.job.placed import Placements
from harness.job.slot import clear_own
from harness.steps import StepRecord


def clear_crashed(
    spec: JobSpec,
    plan: Plan,
    hosts: Iterable[str],
    connect: Callable[[str], XenHost],
    directory: Path,
    step: StepRecord,
) -> dict[str, LabError]:
    """Remove what the job of *spec* left on *hosts*; what that was is a fact of *step*.

    Its lease is ended first, so that nothing of it comes to be behind our back. Returned is where
    that could not be done, and why: there the job can't begin, for there may be a guest of its
    name.
    """
    stuck: dict[str, LabError] = {}
    removed: list[str] = []
    for name in hosts:
        try:
            host = connect(name)
            with Placements(directory).clearing(spec.name):
                revoke_leases(host.runner, [plan.flight_id], job=spec.name)
                removed.append(f"{name}: {clear_own(host, spec, plan.flight_id)}")
            step.facts["reaped"] = "; ".join(removed)
        except LabError as error:
            stuck[name] = error
    return stuck
