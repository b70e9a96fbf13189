"""One flight in its controller: its hosts made ready before the first job, left clean after the
last."""

from __future__ import annotations

import os
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from pathlib import Path

from harness.errors import HostLost, LabError, XenflightError
from harness.flight.model import JobSpec
from harness.flight.plan import Plan
from harness.host.xenhost import XenHost
from harness.job.caredesk import CareDesk
from harness.job.hostrun import CareMaker, HostRun, Reach
from harness.job.inventories import Inventories
from harness.job.leaks import domids_of, of_hosts, peer_domids_of
from harness.job.outcomes import ITS_IMAGE
from harness.job.pairing import peers_of, why_alone
from harness.job.prepared import JobFacts, Prepared, PreparedHost
from harness.job.secrets import FlightSecrets
from harness.job.slot import WaitingNotes
from harness.job.ways import REAL, Images
from harness.progress import Progress
from harness.results.model import StepResult
from harness.results.recorder import FlightRecorder
from harness.schedule.order import jobs_in_order
from harness.units import human_seconds
from harness.wait import SYSTEM_CLOCK, Clock

_LONGEST = timedelta(days=1)
"""For a host to be made ready: more than all bounds within that together."""


class FlightRun:
    """Makes the hosts ready for a flight and cleans up behind it (`harness.job.lab.FlightKeeper`).

    What fails in `prepare` is our lab's fault: it is written down, and the jobs that need
    it find it there and are ``broken``. *reach*, *images* and *care*: see `harness.job.ways`.
    *clock* is for tests.
    """

    def __init__(
        self,
        plan: Plan,
        directory: Path,
        recorder: FlightRecorder,
        progress: Progress,
        *,
        reach: Reach = REAL.reach,
        images: Images | None = None,
        care: CareMaker = REAL.care,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._recorder = recorder
        self._progress = progress
        self._images = images or REAL.images(plan, directory, recorder, progress)
        self._notes = WaitingNotes(directory)
        self._names: dict[str, str] = {}
        self._secrets: FlightSecrets | None = None
        self._hosts = {
            spec.name: HostRun(
                spec, plan, directory, recorder, progress, reach=reach, care=care, clock=clock
            )
            for spec in plan.hosts
        }
        self._desk: CareDesk | None = None
        self._kept = False

    def host(self, name: str) -> XenHost | None:
        """That host, once it was reached and until it is let go of."""
        return self._hosts[name].host

    def inventories(self, name: str) -> Inventories:
        """Of that host, as it was seen by this process."""
        return self._hosts[name].inventories

    def prepare(self) -> None:
        """Have the hosts ready and the images begun; what became of that is in `Prepared`."""
        prepared = Prepared(flight_id=self._plan.flight_id, broken="the flight was interrupted")
        try:
            specs = {job.name: job for job in self._plan.jobs}
            # Images are made in the order in which they are needed.
            ordered = (specs[name] for name in jobs_in_order(self._plan))
            jobs = [job for job in ordered if not job.skip]
            if not jobs:
                prepared = Prepared(flight_id=self._plan.flight_id)
                return
            self._secrets = FlightSecrets.make(self._plan.flight_id)
            prepared = self._prepare(self._secrets, jobs)
        except XenflightError as error:
            prepared = Prepared(flight_id=self._plan.flight_id, broken=str(error))
        finally:
            prepared.write(self._directory)

    def awaits(self, job: str) -> str:
        """What the guest of *job* waits for; empty when for nothing."""
        if job in self._names and self._images.pending(self._names[job]):
            return ITS_IMAGE
        return self._notes.read(job)

    def sweep(self, *, aborted: bool) -> None:
        """All workers are gone: whatever this flight still has was left behind.

        That is a problem of ours, unless the flight was *aborted*: then the processes that
        should have removed it had no time to, and what the operator asked to keep is kept.
        `LabError` names what would not go. What is then on the host goes into the results.
        """
        self._stop()
        had = self._domids()
        names = [job.name for job in self._plan.jobs]
        problems: list[LabError] = []
        checks: dict[str, StepResult] = {}
        for name, host in self._hosts.items():
            lost: HostLost | None = None
            try:
                self._sweep(host, aborted=aborted)
            except LabError as error:
                problems.append(error)
                lost = error if isinstance(error, HostLost) else None
            if check := host.check_leaks({**dict.fromkeys(names, ()), **had.get(name, {})}, lost):
                checks[name] = check
        if checks:
            self._recorder.flight_checked(of_hosts(checks))
        if problems:
            raise LabError("; ".join(map(str, problems))) from problems[0]

    def close(self) -> None:
        """Let go of locks and hosts, and forget the secrets, unless a guest is kept."""
        self._stop()
        for host in self._hosts.values():
            host.close()
        if self._secrets and not self._kept:
            self._secrets.remove()
            self._secrets = None

    def how_to_reach(self, job: str, facts: JobFacts) -> str:
        """Words for the operator who asked to keep a guest."""
        self._kept = True
        domain = facts.runvars.get("domain", "?")
        text = f"kept: {job} is domain {domain} on {facts.host}"
        address = facts.runvars.get("guest_ip")
        if address and self._secrets:
            text += f", root@{address} with key {self._secrets.user_key}"
        if self._plan.keep_for:
            text += f"; it goes when {human_seconds(self._plan.keep_for.total_seconds())} are over"
        program = os.environ.get("XENFLIGHT_COMMAND", "xenflight")
        reap = f"{program} reap --host {facts.host} --kept {self._plan.flight_id}"
        return f"{text}; remove it with: {reap}"

    def _domids(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """By host and job the numbers that a domain is known to have had."""
        found: dict[str, dict[str, tuple[int, ...]]] = {}
        for job in self._recorder.result.jobs:
            tries = [(one.host, one.runvars) for one in job.attempts]
            for where, runvars in (*tries, (job.host, job.runvars)):
                if where:
                    mine = found.setdefault(where, {})
                    mine[job.name] = mine.get(job.name, ()) + domids_of(runvars)
                if peer := runvars.get("peer"):
                    mine = found.setdefault(peer, {})
                    mine[job.name] = mine.get(job.name, ()) + peer_domids_of(runvars)
        return found

    def _stop(self) -> None:
        if self._desk:
            self._desk.stop()
        for host in self._hosts.values():
            host.stop_care()
        self._images.stop()

    def _sweep(self, host: HostRun, *, aborted: bool) -> None:
        left = host.sweep(aborted=aborted)
        if left is None:
            return
        self._kept = self._kept or bool(left.kept_jobs)
        if not (left.domains or left.volumes):
            return
        if aborted:
            self._progress(f"removed {left}")
        else:
            self._recorder.problem(f"left behind by this flight, and removed: {left}")

    def _prepare(self, secrets: FlightSecrets, jobs: list[JobSpec]) -> Prepared:
        self._images.look_ahead(job for job in jobs if not job.whole_host)
        hosts = self._ready_hosts()
        usable = {name: host for name, host in hosts.items() if host.endpoint}
        # Most jobs can run on all: one tuple for all of those.
        every, special = tuple(usable), {job for host in usable.values() for job in host.misfits}
        fits = {
            job.name: tuple(name for name in every if job.name not in usable[name].misfits)
            if job.name in special
            else every
            for job in jobs
        }
        versions = {
            job.name: {name: usable[name].capabilities.xen for name in fits[job.name]}
            for job in jobs
            if job.peer
        }
        wanted = {job.name: job.peer for job in jobs if job.peer}
        peers = {job: peers_of(wanted[job], found) for job, found in versions.items()}
        alone = {
            job: why_alone(wanted[job], found)
            for job, found in versions.items()
            if found and not peers[job]
        }
        fits |= {name: tuple(places) for name, places in peers.items()}
        # What some host can't do, one that is down today may.
        skips = {
            job.name: alone.get(job.name)
            or "; ".join(host.misfits[job.name] for host in usable.values())
            for job in jobs
            if not fits[job.name] and len(usable) == len(hosts)
        }
        runnable = [job for job in jobs if fits[job.name] and not job.whole_host]
        connect = {name: self._hosts[name].connect for name in usable}
        self._names = self._images.begin(runnable, fits, connect)
        self._desk = CareDesk(self._directory, {name: self._hosts[name] for name in usable})
        self._desk.begin()
        return Prepared(
            flight_id=self._plan.flight_id,
            hosts=hosts,
            fits=fits,
            peers=peers,
            secrets=secrets.directory,
            images=self._names,
            skips=skips,
            controller=os.getpid(),
        )

    def _ready_hosts(self) -> dict[str, PreparedHost]:
        """All of them at once, by name: one that does not answer must not hold up the others."""
        if len(self._hosts) == 1:
            return {name: host.prepare() for name, host in self._hosts.items()}
        futures: dict[str, Future[PreparedHost]] = {name: Future() for name in self._hosts}

        def prepare(name: str) -> None:
            try:
                futures[name].set_result(self._hosts[name].prepare())
            except BaseException as error:  # noqa: BLE001  # it is raised where it is waited for
                futures[name].set_exception(error)

        # Ctrl-C does not wait for them: `HostRun.close` sees to what they reach later.
        for work in [
            SYSTEM_CLOCK.beside(partial(prepare, name), f"host {name}") for name in futures
        ]:
            work.join(_LONGEST)
        return {name: future.result() for name, future in futures.items()}
