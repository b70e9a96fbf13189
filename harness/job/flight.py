"""One flight in its controller: the host made ready before the first job, left clean after
the last."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from harness.errors import XenflightError
from harness.flight.axes import Keep
from harness.flight.model import HostSpec
from harness.flight.plan import Plan
from harness.host.facts import host_facts
from harness.host.lock import HostLock, take_lock
from harness.host.names import run_directory
from harness.host.reaper import keep_run, reap_dead, reap_run
from harness.host.xenhost import XenHost
from harness.job.images import FlightImages
from harness.job.prepared import Endpoint, JobFacts, Prepared, PreparedImage
from harness.job.reach import Reached, reach_host
from harness.job.secrets import FlightSecrets
from harness.progress import Progress
from harness.remote.command import Command
from harness.results.recorder import FlightRecorder
from harness.wait import Deadline

LOCK_TIMEOUT = timedelta(seconds=30)
Reach = Callable[[HostSpec, Progress], Reached]


class Images(Protocol):
    """Has a flight's images on its host; `harness.job.images.FlightImages` does."""

    def on(self, host: XenHost) -> dict[str, PreparedImage]:
        """By job name; one that can't be had says why. `HostLost` when the host is gone."""
        ...


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
        self._images = images or FlightImages(plan, recorder, progress)
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
        """Have host, images and golden LVs ready, and say in `Prepared` what became of it."""
        prepared = Prepared(flight_id=self._plan.flight_id, broken="the flight was interrupted")
        try:
            self._secrets = FlightSecrets.make(self._plan.flight_id)
            prepared = self._prepare(self._secrets)
        except XenflightError as error:
            prepared = Prepared(flight_id=self._plan.flight_id, broken=str(error))
        finally:
            prepared.write(self._directory)

    def sweep(self, *, aborted: bool) -> None:
        """All workers are gone: whatever this flight still has was left behind.

        That is a problem of ours, unless the flight was *aborted*: then the processes that
        should have removed it had no time to, and what the operator asked to keep is kept.
        `LabError` names what would not go.
        """
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

    def _prepare(self, secrets: FlightSecrets) -> Prepared:
        reached = self._reach(self._plan.host, self._progress)
        host = self._host = reached.host
        self._again = reached.again
        run = self._plan.flight_id
        self._lock = take_lock(host.runner, run, Deadline.after(LOCK_TIMEOUT))
        host.runner.run(Command.of("mkdir", "-p", run_directory(run)))
        self._recorder.host_known(host_facts(host, self._plan.host, reached.accel))
        self._progress(f"looking for leftovers of dead flights on {host.name}")
        for left in reap_dead(host, alive=[run]):
            FlightSecrets.of(left.run).remove()
            self._progress(f"removed what flight {left.run} left behind: {left}")
        host.volumes.check()
        return Prepared(
            flight_id=run,
            host=Endpoint.of(reached.endpoint),
            secrets=secrets.directory,
            images=self._images.on(host),
        )
