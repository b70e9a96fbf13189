"""One flight in its controller: the host made ready before the first job, left clean after
the last."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from harness.errors import HostLost, LabError, XenflightError
from harness.flight.axes import Keep
from harness.flight.model import HostSpec, JobSpec
from harness.flight.needs import unmet
from harness.flight.plan import Plan
from harness.host.capabilities import find_capabilities
from harness.host.evict import make_room
from harness.host.facts import host_facts
from harness.host.lock import HostLock, take_lock
from harness.host.names import run_directory
from harness.host.reaper import keep_run, reap_dead, reap_run
from harness.host.xenhost import XenHost
from harness.job.images import ImageMaker
from harness.job.outcomes import ImageOutcomes
from harness.job.pipeline import ImagePipeline
from harness.job.prepared import Endpoint, JobFacts, Prepared
from harness.job.reach import Reached, reach_host
from harness.job.secrets import FlightSecrets
from harness.progress import Progress
from harness.remote.command import Command
from harness.results.recorder import FlightRecorder
from harness.units import Size
from harness.wait import Deadline

LOCK_TIMEOUT = timedelta(seconds=30)
Reach = Callable[[HostSpec, Progress], Reached]


class Images(Protocol):
    """Makes a flight's images in the background; `harness.job.pipeline.ImagePipeline` does."""

    def look_ahead(self, jobs: Iterable[JobSpec]) -> None:
        """Do what can be done for *jobs* before there is a host. Returns at once."""
        ...

    def begin(self, jobs: Iterable[JobSpec], connect: Callable[[], XenHost]) -> dict[str, str]:
        """Begin to make their images; by job the name of the outcome. Returns at once."""
        ...

    def pending(self, name: str) -> bool:
        """Whether the outcome of that name is still to come."""
        ...

    def stop(self) -> None:
        """End what is under way, and wait for that."""
        ...


def pipeline(
    plan: Plan, directory: Path, recorder: FlightRecorder, progress: Progress
) -> ImagePipeline:
    """The real thing."""
    stopping = threading.Event()
    maker = ImageMaker(plan, recorder, stopping)
    return ImagePipeline(maker, ImageOutcomes(directory), progress, stopping)


class FlightRun:
    """Makes the host ready for a flight and cleans up behind it (`harness.job.lab.FlightKeeper`).

    What fails in `prepare` is our lab's fault: it is written down, and the jobs that need
    it find it there and are ``broken``. *reach* and *images* are for tests.
    """

    def __init__(
        self,
        plan: Plan,
        directory: Path,
        recorder: FlightRecorder,
        progress: Progress,
        *,
        reach: Reach = reach_host,
        images: Images | None = None,
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._recorder = recorder
        self._progress = progress
        self._reach = reach
        self._images = images or pipeline(plan, directory, recorder, progress)
        self._names: dict[str, str] = {}
        self._secrets: FlightSecrets | None = None
        self._host: XenHost | None = None
        self._again: Callable[[], XenHost] | None = None
        self._lock: HostLock | None = None
        self._kept = False

    @property
    def host(self) -> XenHost | None:
        """The host, once it was reached and until it is let go of."""
        return self._host

    def prepare(self) -> None:
        """Have the host ready and its images begun, and say in `Prepared` what became of it."""
        prepared = Prepared(flight_id=self._plan.flight_id, broken="the flight was interrupted")
        try:
            jobs = [job for job in self._plan.jobs if not job.skip]
            if not jobs:
                prepared = Prepared(flight_id=self._plan.flight_id)
                return
            self._secrets = FlightSecrets.make(self._plan.flight_id)
            prepared = self._prepare(self._secrets, jobs)
        except XenflightError as error:
            prepared = Prepared(flight_id=self._plan.flight_id, broken=str(error))
        finally:
            prepared.write(self._directory)

    def awaits_image(self, job: str) -> bool:
        """Whether what the guest of *job* is made of is still to come."""
        return job in self._names and self._images.pending(self._names[job])

    def sweep(self, *, aborted: bool) -> None:
        """All workers are gone: whatever this flight still has was left behind.

        That is a problem of ours, unless the flight was *aborted*: then the processes that
        should have removed it had no time to, and what the operator asked to keep is kept.
        `LabError` names what would not go.
        """
        self._images.stop()
        if self._host is None or self._again is None:
            return
        self._progress("looking for leftovers")
        if not self._host.runner.alive:
            self._host = self._again()
        run = self._plan.flight_id
        if aborted and self._plan.keep is not Keep.NEVER:
            keep_run(self._host, run)
        left = reap_run(self._host, run)
        self._kept = self._kept or bool(left.kept_jobs)
        if not (left.domains or left.volumes):
            return
        if aborted:
            self._progress(f"removed {left}")
        else:
            self._recorder.problem(f"left behind by this flight, and removed: {left}")

    def close(self) -> None:
        """Let go of lock and host, and forget the secrets, unless a guest is kept."""
        self._images.stop()
        if self._lock:
            self._lock.release()
            self._lock = None
        if self._host:
            self._host.close()
            self._host = None
        if self._secrets and not self._kept:
            self._secrets.remove()
            self._secrets = None

    def how_to_reach(self, job: str, facts: JobFacts) -> str:
        """Words for the operator who asked to keep a guest."""
        self._kept = True
        domain = facts.runvars.get("domain", "?")
        text = f"kept: {job} is domain {domain} on {self._plan.host.name}"
        address = facts.runvars.get("guest_ip")
        if address and self._secrets:
            text += f", root@{address} with key {self._secrets.user_key}"
        program = os.environ.get("XENFLIGHT_COMMAND", "xenflight")
        reap = f"{program} reap --host {self._plan.host.name} --kept {self._plan.flight_id}"
        return f"{text}; remove it with: {reap}"

    def _prepare(self, secrets: FlightSecrets, jobs: list[JobSpec]) -> Prepared:
        self._images.look_ahead(jobs)
        reached = self._reach(self._plan.host, self._progress)
        host = self._host = reached.host
        self._again = reached.again
        run = self._plan.flight_id
        self._lock = take_lock(host.runner, run, Deadline.after(LOCK_TIMEOUT))
        host.runner.run(Command.of("mkdir", "-p", run_directory(run)))
        self._recorder.host_known(host_facts(host, self._plan.host, reached.accel))
        self._reap(host)
        self._check_pool(host)
        found = find_capabilities(host)
        skips = {
            job.name: why
            for job in jobs
            if (why := unmet(job, found.flags, host.name, found.because))
        }
        runnable = [job for job in jobs if job.name not in skips]
        self._names = self._images.begin(runnable, reached.again)
        return Prepared(
            flight_id=run,
            host=Endpoint.of(reached.endpoint),
            secrets=secrets.directory,
            images=self._names,
            skips=skips,
            capabilities=found,
            controller=os.getpid(),
        )

    def _reap(self, host: XenHost) -> None:
        self._progress(f"looking for leftovers of dead flights on {host.name}")
        for left in reap_dead(host, alive=[self._plan.flight_id]):
            FlightSecrets.of(left.run).remove()
            self._progress(f"removed what flight {left.run} left behind: {left}")

    def _check_pool(self, host: XenHost) -> None:
        """`LabError` when there is no room to begin with, also after old images went."""
        try:
            host.volumes.check()
        except HostLost:
            raise
        except LabError:
            if not make_room(host, Size(0), self._progress):
                raise
            host.volumes.check()
