"""A job's slot: waited for, with a word about who holds them, and cleared of what died in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Self
from uuid import UUID

from harness.build.remove import remove_built
from harness.errors import GuestFailure
from harness.flight.model import HostSpec, JobSpec
from harness.flight.plan import Plan
from harness.guest.identity import host_name
from harness.host.builders import end_builders
from harness.host.fence import fenced
from harness.host.kept import KEPT
from harness.host.lease import SETTLE, SILENCE, Busy, SlotLease, SlotTerms, take_lease
from harness.host.names import domain_name, saved_file
from harness.host.owners import domain_uuid
from harness.host.slots import Claim, whoami
from harness.host.xenhost import XenHost
from harness.job.placed import Placements
from harness.job.reap import reap
from harness.job.teardown import VOLUME_TIMEOUT, end_passing, remove_guest
from harness.status import Status
from harness.steps import StepRecord
from harness.storage.names import TAG
from harness.wait import Deadline

PHASE = "slot"
"""The phase of ``guest-create`` in which a job waits for a slot, if it must."""
NOTES = "waiting"


class WaitingNotes:
    """What jobs wait for, a file for each in the flight's *directory*, for its controller to show.

    They are for show only: what can't be written is not told.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory / NOTES

    def write(self, job: str, text: str) -> None:
        """*job* waits for *text*; for nothing, if that is empty."""
        path = self._directory / job
        with suppress(OSError):
            if not text:
                path.unlink(missing_ok=True)
                return
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def read(self, job: str) -> str:
        """What it waits for; empty when for nothing."""
        with suppress(OSError, UnicodeDecodeError):
            return (self._directory / job).read_text(encoding="utf-8")
        return ""


def slot_terms(spec: HostSpec, patience: timedelta | None = None) -> SlotTerms:
    """How a job gets a slot of the host of *spec*; an emulated one is given more time to hear.

    *patience* instead of the host's own ``slot_timeout``.
    """
    slower = max(1.0, spec.timeout_factor)
    return SlotTerms(
        slots=spec.slots,
        patience=spec.slot_timeout if patience is None else patience,
        silence=SILENCE * slower,
        settle=SETTLE * slower,
    )


def take_slot(
    spec: JobSpec,
    plan: Plan,
    host: XenHost,
    directory: Path,
    step: StepRecord,
    terms: SlotTerms | None = None,
) -> SlotLease:
    """A slot of *host* for the job of *spec*; a wait for it is a phase of *step*.

    What a holder that died left in it is removed first. `Starved` when there is none in time, or
    the host is drained; `LabError` when it can't be had, or not be cleared.
    """
    terms = terms or slot_terms(plan.host_named(host.name))
    with Waiting(spec.name, directory, step) as waiting:
        lease = take_lease(host.runner, _claim(spec, plan), terms, waiting.on_busy(host.name))
    return _cleared(lease, plan, host, directory, step)


def take_free_slot(
    spec: JobSpec, plan: Plan, host: XenHost, directory: Path, step: StepRecord
) -> SlotLease:
    """The same, but without waiting: `Starved` when none is free now."""
    terms = slot_terms(plan.host_named(host.name), patience=timedelta(0))
    lease = take_lease(host.runner, _claim(spec, plan), terms)
    return _cleared(lease, plan, host, directory, step)


class Waiting:
    """A job's wait for a slot: told while it lasts, and a phase of *step* if there was one."""

    def __init__(self, job: str, directory: Path, step: StepRecord) -> None:
        self._job = job
        self._notes = WaitingNotes(directory)
        self._step = step
        self._began = step.clock.monotonic()
        self._waited = False

    def tell(self, what: str) -> None:
        """It waits, for *what*."""
        self._waited = True
        self._notes.write(self._job, what)

    def on_busy(self, host: str) -> Busy:
        """Hears who holds the slots of *host*."""
        return lambda held: self.tell(f"a slot on {host}: {'; '.join(map(str, held))}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._waited:
            self._notes.write(self._job, "")
            status = Status.STARVED if error else Status.PASS
            self._step.add_phase(PHASE, self._began, self._step.clock.monotonic(), status)


@contextmanager
def in_slot(lease: SlotLease) -> Iterator[None]:
    """What a guest does inside is its own doing only while the slot is ours; else `LabError`.

    Its memory may be another's by then, or somebody has ended it.
    """
    lease.check()
    try:
        yield
    except GuestFailure as error:
        if lease.lost:
            raise lease.loss() from error
        raise


def _claim(spec: JobSpec, plan: Plan) -> Claim:
    return Claim(holder=whoami(), flight=plan.flight_id, job=spec.name)


def _cleared(
    lease: SlotLease, plan: Plan, host: XenHost, directory: Path, step: StepRecord
) -> SlotLease:
    try:
        if lease.inherited:
            step.facts["reaped"] = f"slot {lease.slot}: {_clear(lease, plan, host, directory)}"
    except BaseException:
        lease.release()
        raise
    return lease


def _clear(lease: SlotLease, plan: Plan, host: XenHost, directory: Path) -> str:
    """Remove what the last holder of a slot left there when it died; what that was."""
    left = lease.inherited
    assert left
    mine = next((job for job in plan.jobs if job.name == left.job), None)
    if mine and left.flight == plan.flight_id:
        placements = Placements(directory)
        with placements.clearing(mine.name):
            placed = placements.find(mine.name)
            if placed and placed.crashed:
                return f"nothing: {mine.name} begins anew, and sees to it"
            return clear_own(fenced(host, lease), mine, plan.flight_id)
    removed = reap(host, alive=[plan.flight_id])
    return "; ".join(f"{one.run}: {one}" for one in removed) or "nothing"


def clear_own(host: XenHost, job: JobSpec, run: str) -> str:
    """A worker of this very flight died: no other flight may touch what it left. What that was."""
    volumes = host.volumes.list(f"{TAG}.run={run}", f"{TAG}.job={job.name}")
    if any(KEPT in volume.tags for volume in volumes):
        return f"{job.name} is kept"
    name = domain_name(run, job.name)
    end_passing(host, name, saved_file(run, name))
    if job.peer:
        # What lends its disk has that open.
        end_builders(host.runner, run, host_name(run, job.name))
    uuid = UUID(domain_uuid(run, job.name))
    remove_guest(host, name, None, [volume.name for volume in volumes], uuid)
    if job.builder.on_host or job.peer:
        bound = Deadline.after(host.stretched(VOLUME_TIMEOUT))
        remove_built(host, run, host_name(run, job.name), bound)
    return f"what {job.name} left"
