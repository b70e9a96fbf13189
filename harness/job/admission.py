"""What a job's guest takes of its host, and the wait until that is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from harness.build.debian_installer import LEAST_MEMORY
from harness.errors import Starved, XenflightError
from harness.flight.axes import Builder, DiskFormat
from harness.flight.model import HostSpec, JobSpec
from harness.flight.plan import Plan
from harness.host.admission import AdmissionTerms, Wait, admit
from harness.host.evict import Evictor, told_gone
from harness.host.fit import Resource, Shortage, human_vcpus, impossible, shortages
from harness.host.lease import SILENCE, SlotLease
from harness.host.names import domain_name
from harness.host.room import HostRoom, Want
from harness.host.roomlook import look_script
from harness.host.slots import DRAIN_FILE
from harness.host.xenhost import XenHost
from harness.job.disks import QCOW2_EXTRA
from harness.job.slot import WaitingNotes
from harness.status import Status
from harness.steps import StepRecord
from harness.units import Size, human_size
from harness.xen.config import DomainType
from harness.xen.memory import overhead

PHASE = "admission"
"""The phase of ``guest-create`` in which a job waits for memory and the like, if it must."""
INSTALLED = Size.parse("1G")
"""What a builder on the host writes: Debian's installer leaves about that much."""
_ON_DISK = (Resource.DATA, Resource.METADATA)
_MOST_NAMED = 5


def job_want(job: JobSpec, run: str, host: HostSpec, golden: str = "") -> Want:
    """What the guest of *job* takes of *host*: what it has, and what it is expected to write."""
    memory, taken = job.memory, overhead(DomainType(job.virt), job.memory, job.vcpus)
    if job.builder is Builder.DEBIAN_INSTALLER and memory < LEAST_MEMORY:
        # It is installed in a PV domain of its own, with the same name.
        memory, taken = LEAST_MEMORY, overhead(DomainType.PV, LEAST_MEMORY, job.vcpus)
    others = sum((job.swap or 0, *job.extra_disks))
    vcpus = job.vcpus
    if job.neighbour:
        # Another domain, with a root as large.
        memory = Size(memory + job.neighbour)
        taken += overhead(DomainType(job.virt), job.neighbour, 1)
        vcpus += 1
        others += job.disk
    overlay = job.disk + QCOW2_EXTRA if job.disk_format is DiskFormat.QCOW2 else 0
    installed = min(job.disk, INSTALLED) if job.builder.on_host else 0
    # With an overlay the root below it is only read.
    written = (job.disk - installed + others) / host.disk_overcommit
    return Want(
        domain=domain_name(run, job.name),
        memory=memory,
        overhead=taken,
        vcpus=vcpus,
        disks=job.disk + overlay + others,
        data=installed + int(written),
        golden=golden,
    )


def never_fits(job: JobSpec, run: str, spec: HostSpec, room: HostRoom) -> str:
    """Why *job* of flight *run* can run on the host of *spec* at no time; empty when it may."""
    return impossible(room, spec, job_want(job, run, spec))


def admit_job(
    job: JobSpec,
    plan: Plan,
    host: XenHost,
    lease: SlotLease,
    golden: str,
    directory: Path,
    step: StepRecord,
    patience: timedelta,
    drain_file: str = DRAIN_FILE,
    *,
    home: bool = True,
) -> None:
    """Wait until what *job* takes is there, and claim it; a wait is a phase of *step*.

    Not *home*: on the second host of a guest that moves, where it has no disks.

    Golden volumes that nobody needs go for it. `Starved` when it is not there in time, or can't be
    at any; `LabError` when nobody can tell.
    """
    spec = plan.host_named(host.name)
    slower = max(1.0, spec.timeout_factor)
    terms = AdmissionTerms(
        look=look_script(host.volumes.group, host.volumes.pool),
        patience=max(patience, timedelta(0)),
        silence=SILENCE * slower,
        drain_file=drain_file,
    )
    want = job_want(job, plan.flight_id, spec, golden)
    if not home:
        want = replace(want, disks=0, data=0)
    notes, waits = WaitingNotes(directory), [step.clock.monotonic()]

    def on_wait(why: str) -> None:
        waits.append(step.clock.monotonic())
        notes.write(job.name, why)

    status = Status.ABORTED
    try:
        judge = _Judge(spec, host, lease.slot, want, step)
        admit(host.runner, lease, want, terms, judge, on_wait, step.clock)
        status = Status.PASS
    except XenflightError as error:
        status = error.status
        raise
    finally:
        if len(waits) > 1:
            notes.write(job.name, "")
            step.add_phase(PHASE, waits[0], step.clock.monotonic(), status)


class _Judge:
    """Says whether the job fits; makes room in the thin pool where it can."""

    def __init__(
        self, spec: HostSpec, host: XenHost, slot: int, want: Want, step: StepRecord
    ) -> None:
        self._spec = spec
        self._host = host
        self._slot = slot
        self._want = want
        self._step = step
        self._evictor = Evictor(host)
        self._removed: list[str] = []

    def __call__(self, room: HostRoom) -> Wait | None:
        if never := impossible(room, self._spec, self._want):
            msg = f"it fits there at no time: {never}"
            raise Starved(msg)
        lacking = shortages(room, self._spec, self._want)
        if not lacking:
            return None
        told = [one.told(self._host.name) for one in lacking]
        if any(one.resource in _ON_DISK for one in lacking) and self._evict(room):
            gone = self._removed[-1]
            return Wait(why="; ".join([*told, gone]), about=gone, again=True)
        holders = _holders(lacking, room, self._slot)
        kinds = ", ".join(one.resource for one in lacking)
        return Wait(why="; ".join([*told, *holders]), about=f"{kinds}: {holders}")

    def _evict(self, room: HostRoom) -> bool:
        claimed = [claim.want.golden for claim in room.claims]
        gone = self._evictor.evict([*claimed, self._want.golden])
        if gone:
            self._removed.append(told_gone(gone, self._host.name))
            self._step.facts["evicted"] = "; ".join(self._removed)
        return gone is not None


def _holders(lacking: Sequence[Shortage], room: HostRoom, own: int) -> list[str]:
    """Who has what there is too little of: jobs first, then what belongs to none."""
    kinds = {one.resource for one in lacking}
    claims = {claim.holder.slot: claim.want for claim in room.claims}
    jobs = [
        f"{holder}" + (f" ({_taken(claims[holder.slot])})" if holder.slot in claims else "")
        for holder in room.held
        if holder.slot != own
    ]
    told = [f"held by {'; '.join(jobs)}"] if jobs else []
    if kinds & {Resource.MEMORY, Resource.VCPUS}:
        ours = {want.domain for want in claims.values()}
        others = [one for one in room.domains if one.name not in ours]
        names = [f"{one.name} ({human_size(one.memory)})" for one in others[:_MOST_NAMED]]
        more = [f"{len(others) - _MOST_NAMED} more"] if len(others) > _MOST_NAMED else []
        told += [f"domains of no job that runs: {', '.join([*names, *more])}"] if others else []
    return told


def _taken(want: Want) -> str:
    return (
        f"{human_size(want.memory + want.overhead)} of memory, {human_vcpus(want.vcpus)}, "
        f"{human_size(want.data)} of disk"
    )
