"""One host of a flight, in the flight's controller: made ready before the first job, left clean
after the last."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from harness.errors import HostLost, LabError, Starved, XenflightError
from harness.flight.axes import Keep
from harness.flight.model import HostSpec
from harness.flight.needs import unmet
from harness.flight.plan import Plan
from harness.host.capabilities import Capabilities, find_capabilities
from harness.host.evict import make_room, note_use
from harness.host.facts import host_facts
from harness.host.lease import drained_error
from harness.host.lock import HostLock, take_lock
from harness.host.names import run_directory
from harness.host.reaper import Leftovers, keep_run, reap_run
from harness.host.roomlook import find_room, look_script
from harness.host.slots import read_slots
from harness.host.xenhost import XenHost
from harness.job.admission import never_fits
from harness.job.hostjob import misfit
from harness.job.hostwatch import HostWays
from harness.job.inventories import Inventories
from harness.job.leaks import Domids, Ledger, not_made
from harness.job.outcomes import ImageOutcomes
from harness.job.prepared import Endpoint, PreparedHost
from harness.job.reach import Reached
from harness.job.reap import reap
from harness.progress import Progress
from harness.remote.command import Command
from harness.results.model import HostFacts, StepResult
from harness.results.recorder import FlightRecorder
from harness.units import Size
from harness.wait import SYSTEM_CLOCK, Clock, Deadline

LOCK_TIMEOUT = timedelta(seconds=30)
Reach = Callable[[HostSpec, Progress], Reached]


class Care(Protocol):
    """Looks after a host while jobs run; `harness.job.caretaker.Caretaker` does."""

    @property
    def longest(self) -> timedelta:
        """How long an answer may take."""
        ...

    def tend(self, *, asked: bool) -> None:
        """It may be time to look; *asked*: a job wants something. Returns at once."""
        ...

    def stop(self) -> None:
        """End what is under way, and wait for that."""
        ...


CareMaker = Callable[[HostSpec, Plan, Path, FlightRecorder, Progress, HostWays], Care]


class HostRun:
    """What the controller does with the host of *spec* in the flight of *plan*."""

    def __init__(
        self,
        spec: HostSpec,
        plan: Plan,
        directory: Path,
        recorder: FlightRecorder,
        progress: Progress,
        *,
        reach: Reach,
        care: CareMaker,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name = spec.name
        self._spec = spec
        self._plan = plan
        self._recorder = recorder
        self._progress = progress
        self._reach = reach
        self._host: XenHost | None = None
        self._again: Callable[[], XenHost] | None = None
        self._lock: HostLock | None = None
        self._outcomes = ImageOutcomes(directory)
        self._care = care(spec, plan, directory, recorder, progress, self)
        self.inventories = Inventories(clock)
        """What is on it, as it was seen by this process."""
        self._ledger: Ledger | None = None
        self._closing = threading.Lock()
        self._closed = False

    @property
    def host(self) -> XenHost | None:
        """The host, once it was reached and until it is let go of."""
        return self._host

    def connect(self) -> XenHost:
        """One more connection to it; `LabError` when that can't be."""
        if self._again is None:
            msg = f"{self.name} was not reached"
            raise LabError(msg)
        return self._again()

    def returned(self, host: XenHost) -> None:
        """The connection was lost, or the host has booted: *host* is the one from now on.

        With the old one the flight's lock went, and over a boot all that is in /run. `LabError`
        when the lock can't be had again: others may then take the flight for dead.
        """
        with self._closing:
            old, self._host = self._host, host
            lock, self._lock = self._lock, None
        if lock:
            lock.release()
        if old:
            old.close()
        self._own(host)
        for image in self._outcomes.on(self.name):
            if image.golden:
                note_use(host, image.golden, self._plan.flight_id)

    def tend(self, *, asked: bool) -> None:
        """Look after it, if it is time to or a job has *asked*. Returns at once."""
        self._care.tend(asked=asked)

    def stop_care(self) -> None:
        """No more of that; waits for what is under way."""
        self._care.stop()

    def prepare(self) -> PreparedHost:
        """Have it ready; why that can't be is in the record, and in the results."""
        try:
            return self._prepare()
        except Starved as error:
            found = PreparedHost(starved=str(error))
        except XenflightError as error:
            found = PreparedHost(broken=str(error))
        if len(self._plan.hosts) > 1:
            why = found.starved or found.broken
            self._recorder.host_known(HostFacts(name=self.name, kind=self._spec.kind, unusable=why))
        return found

    def sweep(self, *, aborted: bool) -> Leftovers | None:
        """Remove what the flight left there, all its workers being gone; what that was.

        Of an *aborted* one, what its operator asked to keep is kept. None when it was never
        reached. `LabError` names what would not go.
        """
        if self._host is None or self._again is None:
            return None
        self._progress(f"looking for leftovers on {self.name}")
        if not self._host.runner.alive:
            self._host = self._again()
        run = self._plan.flight_id
        if aborted and self._plan.keep is not Keep.NEVER:
            keep_run(self._host, run, self._plan.keep_for)
        return reap_run(self._host, run)

    def check_leaks(self, domids: Domids, lost: HostLost | None = None) -> StepResult | None:
        """What is there now that was not before the first job, and whose it is.

        *domids* are those that jobs had there. None when it was never looked at, and a check that
        was not made when it is *lost*.
        """
        if self._ledger is None:
            return None
        if lost:
            return not_made(lost)
        # The connection with which it began may have been lost since.
        ledger = replace(self._ledger, host=self._host or self._ledger.host)
        self._progress(f"looking for leaks on {self.name}")
        return ledger.check(domids)

    def close(self) -> None:
        """Let go of its lock and of it; harmless twice."""
        self.inventories.close()
        with self._closing:
            self._closed = True
            lock, self._lock = self._lock, None
            host, self._host = self._host, None
        if lock:
            lock.release()
        if host:
            host.close()

    def _prepare(self) -> PreparedHost:
        reached = self._reach(self._spec, self._progress)
        host = self._taken(reached)
        held = self._look_at_slots(host)
        self._own(host)
        self._recorder.host_known(host_facts(host, self._spec, reached.accel))
        self._reap(host)
        self._check_pool(host)
        self._ledger = self._open_ledger(host)
        found = find_capabilities(host)
        return PreparedHost(
            endpoint=Endpoint.of(reached.endpoint),
            capabilities=found,
            misfits=self._misfits(host, found),
            care=self._care.longest.total_seconds(),
            held=held,
        )

    def _own(self, host: XenHost) -> None:
        """Say on the host that this flight lives."""
        run = self._plan.flight_id
        self._lock = take_lock(host.runner, run, Deadline.after(LOCK_TIMEOUT))
        host.runner.run(Command.of("mkdir", "-p", run_directory(run)))

    def _open_ledger(self, host: XenHost) -> Ledger:
        """Look, in the background, what is on the host before this flight makes anything."""
        return Ledger(
            host=host,
            again=self.connect,
            before=self.inventories.take(host, self.connect),
            flight=self._plan.flight_id,
            clock=self.inventories.clock,
        )

    def _misfits(self, host: XenHost, found: Capabilities) -> dict[str, str]:
        room = find_room(host.runner, look_script(host.volumes.group, host.volumes.pool))
        misfits: dict[str, str] = {}
        for job, *others in self._plan.kinds:
            why = misfit(job, self._spec)
            why = why or unmet(job, found.flags, host.name, found.because)
            if not why and not job.whole_host:
                why = never_fits(job, self._plan.flight_id, self._spec, room)
            if why:
                misfits.update(dict.fromkeys((one.name for one in (job, *others)), why))
        return misfits

    def _taken(self, reached: Reached) -> XenHost:
        """Nobody would close what is reached after `close`."""
        with self._closing:
            if not self._closed:
                self._host, self._again = reached.host, reached.again
                return reached.host
        reached.host.close()
        msg = "the flight was interrupted"
        raise LabError(msg)

    def _look_at_slots(self, host: XenHost) -> int:
        """Say who is there already, and how many; `Starved` when the host is drained."""
        found = read_slots(host.runner)
        if found.drained:
            raise drained_error(host.name, found.drained)
        for holder in found.held:
            self._progress(f"{host.name} is shared, {holder}")
        return len(found.held)

    def _reap(self, host: XenHost) -> None:
        self._progress(f"looking for leftovers of dead flights on {host.name}")
        for left in reap(host, alive=[self._plan.flight_id]):
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
