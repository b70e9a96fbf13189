"""The real lab: Xen hosts, reached over SSH."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from harness.errors import LabError, XenflightError
from harness.flight.model import JobSpec
from harness.flight.plan import Plan
from harness.host.xenhost import CONNECT_TIMEOUT, XenHost
from harness.job.cares import HostCares
from harness.job.crashed import clear_crashed
from harness.job.flight import FlightRun
from harness.job.guest import GuestUnderTest
from harness.job.hostjob import take_host
from harness.job.hostundertest import HostUnderTest
from harness.job.inventories import Inventories
from harness.job.knowngood import note_known_good
from harness.job.lab import Guest
from harness.job.outcomes import ImageOutcomes, image_for
from harness.job.placed import Placed, Placements
from harness.job.prepared import Prepared, PreparedImage
from harness.job.seating import Seating, Wish
from harness.job.secrets import FlightSecrets
from harness.job.ways import REAL, Ways
from harness.progress import Progress
from harness.results.layout import FlightDirectory
from harness.results.recorder import FlightRecorder
from harness.steps import StepRecord
from harness.wait import NotYet


class RealLab:
    """A `harness.job.lab.Lab` of real hosts, or of what *ways* lead to."""

    def __init__(self, ways: Ways = REAL) -> None:
        self._ways = ways
        self._run: FlightRun | None = None

    def flight(
        self, plan: Plan, directory: Path, recorder: FlightRecorder, progress: Progress
    ) -> FlightRun:
        """See `Lab.flight`."""
        images = self._ways.images(plan, directory, recorder, progress)
        self._run = FlightRun(
            plan,
            directory,
            recorder,
            progress,
            reach=self._ways.reach,
            images=images,
            care=self._ways.care,
        )
        return self._run

    def guests(self, plan: Plan, files: FlightDirectory) -> RealSubjects:
        """See `Lab.guests`."""
        return RealSubjects(plan, RealGuests(plan, files, self._run, self._ways))


class RealSubjects:
    """What the jobs of one process are about: *guests*, or hosts (`JobSpec.whole_host`)."""

    def __init__(self, plan: Plan, guests: RealGuests) -> None:
        self._hosts = {job.name for job in plan.jobs if job.whole_host}
        self._guests = guests

    def make(self, job: str, step: StepRecord) -> Guest:
        """See `GuestMaker.make`."""
        made = self._guests.make_host if job in self._hosts else self._guests.make
        return made(job, step)

    def over(self, job: str, *, passed: bool, fault: str = "") -> None:
        """See `GuestMaker.over`."""
        self._guests.over(job, passed=passed, fault=fault)

    def close(self) -> None:
        """See `GuestMaker.close`."""
        self._guests.close()


class RealGuests:
    """The guests of one process, and its one connection to each host.

    In the controller those are the connections of *run*, which are not ours to close.
    """

    def __init__(
        self,
        plan: Plan,
        files: FlightDirectory,
        run: FlightRun | None = None,
        ways: Ways = REAL,
    ) -> None:
        self._plan = plan
        self._files = files
        self._run = run
        self._ways = ways
        self._specs = {spec.name: spec for spec in plan.jobs}
        self._ready: Prepared | None = None
        self._hosts: dict[str, XenHost] = {}
        self._inventories: dict[str, Inventories] = {}
        """Of those hosts that the controller of this process has none of."""
        self._used: dict[str, list[str]] = {}
        """Where each job was, the last host last."""
        self._peers: dict[str, str] = {}
        """Its second host, if it had one the last time."""
        self._images: dict[str, PreparedImage] = {}
        """Of each job, on that host."""
        self._known: set[tuple[str, str]] = set()

    def make(self, job: str, step: StepRecord) -> GuestUnderTest:
        """See `GuestMaker.make`."""
        prepared = self._prepared
        cares = HostCares(self._files.path, prepared)
        spec = self._spec(job)
        placed = None if job in self._used else Placements(self._files.path).find(job)
        images = self._image_there(job, placed, prepared, cares)
        images = images or image_for(job, prepared, self._files.path, step)
        if placed and placed.crashed:
            self._clear(spec, placed.crashed, images, prepared, cares, step)
        places = cares.well(job, self._places(job, images), step)
        wish = Wish(
            spec=spec,
            step=step,
            places=places,
            images=images,
            now=self._soon_fit(job, images, prepared, cares),
            prefer=placed.host if placed else None,
        )
        home, peer = self._seating(prepared, cares).seat(wish)
        name = home.host.name
        self._used[job].append(name)
        self._peers[job] = peer.host.name if peer else ""
        if peer or placed is None or placed.host != name:
            self._tell_place(job, name, self._peers[job])
        image = self._images[job] = images[name]
        try:
            return GuestUnderTest(
                spec=spec,
                plan=self._plan,
                seat=home,
                image=image,
                secrets=prepared.secrets,
                files=self._files.job(job),
                record=self._ways.record,
                peer=peer,
                join=self._ways.join,
            )
        except BaseException:
            for seat in filter(None, (home, peer)):
                seat.lease.release()
            raise

    def make_host(self, job: str, step: StepRecord) -> HostUnderTest:
        """A host for *job* alone, over a connection of its own; else as `make`."""
        prepared = self._prepared
        cares = HostCares(self._files.path, prepared)
        used = self._used.setdefault(job, [])
        names = cares.well(job, prepared.hosts_for(job), step)
        found = take_host(
            self._spec(job),
            self._plan,
            [name for name in names if name not in used] or names,
            lambda name: self._connect(name, prepared),
            self._files,
            FlightSecrets(prepared.secrets),
            step,
        )
        used.append(found.host.name)
        return found

    def over(self, job: str, *, passed: bool, fault: str = "") -> None:
        """See `GuestMaker.over`."""
        # What it says of the host is for later jobs; this one has its status.
        with suppress(XenflightError):
            prepared, name = self._prepared, self._used[job][-1]
            image = self._images.get(job)
            if fault:
                cares = HostCares(self._files.path, prepared)
                # Which of two it was, nobody knows.
                for one in filter(None, (name, self._peers.get(job))):
                    cares.suspect(job, one, fault)
            elif passed and image and (name, image.golden) not in self._known:
                self._known.add((name, image.golden))
                note_known_good(self._connected(name, prepared), self._spec(job), image)

    def close(self) -> None:
        """See `GuestMaker.close`."""
        for inventories in self._inventories.values():
            inventories.close()
        for host in self._hosts.values():
            host.close()
        self._hosts = {}

    def _spec(self, job: str) -> JobSpec:
        return self._specs[job]

    @property
    def _prepared(self) -> Prepared:
        """What the controller wrote, read once it is there; `LabError` before."""
        if self._ready is None:
            self._ready = Prepared.read(self._files.path)
        return self._ready

    def _image_there(
        self, job: str, placed: Placed | None, prepared: Prepared, cares: HostCares
    ) -> dict[str, PreparedImage]:
        """The image of *job* where it was sent to, if it is there and all is well there: then
        nobody has to look at other hosts, of which there may be a thousand."""
        if placed is None or placed.crashed or placed.host not in prepared.hosts_for(job):
            return {}
        try:
            outcomes = ImageOutcomes(self._files.path)
            found = outcomes.ready(prepared.image_of(job), [placed.host])
        except (LabError, NotYet):
            return {}
        return found if cares.fit([placed.host]) else {}

    def _places(self, job: str, images: dict[str, PreparedImage]) -> list[str]:
        """One that is tried again is tried elsewhere, if there is an elsewhere."""
        used = self._used.setdefault(job, [])
        return [name for name in images if name not in used] or list(images)

    def _clear(
        self,
        spec: JobSpec,
        crashed: Collection[str],
        images: dict[str, PreparedImage],
        prepared: Prepared,
        cares: HostCares,
        step: StepRecord,
    ) -> None:
        """Remove what the job of *spec* left where its worker died; where that can't be done it
        does not run. `LabError` if there is nowhere else."""
        directory = self._files.path
        stuck = clear_crashed(
            spec, self._plan, crashed, lambda name: self._connected(name, prepared), directory, step
        )
        for name, error in stuck.items():
            cares.suspect(spec.name, name, str(error))
            self._used.setdefault(spec.name, []).append(name)
        if stuck and set(images) <= set(stuck):
            raise next(iter(stuck.values()))

    def _tell_place(self, job: str, host: str, peer: str) -> None:
        """So that it is known where *job* left something if this process dies."""
        with suppress(LabError):
            Placements(self._files.path).write(job, host, peer=peer)

    def _soon_fit(
        self, job: str, images: dict[str, PreparedImage], prepared: Prepared, cares: HostCares
    ) -> Callable[[], list[str]] | None:
        """Tells where *job* may begin by then, if other hosts are still to get its image.

        Those are added to *images*. None where all have it.
        """
        fits, name = prepared.hosts_for(job), prepared.image_of(job)
        outcomes = ImageOutcomes(self._files.path)
        if all(host in images for host in fits):
            return None

        def now() -> list[str]:
            images.update(outcomes.ready(name, fits))
            return cares.fit(self._places(job, images))

        return now

    def _seating(self, prepared: Prepared, cares: HostCares) -> Seating:
        return Seating(
            plan=self._plan,
            directory=self._files.path,
            jobs=self._specs,
            prepared=prepared,
            cares=cares,
            hosts=self,
        )

    def connected(self, name: str) -> XenHost:
        """See `harness.job.seating.Hosts`."""
        return self._connected(name, self._prepared)

    def again(self, name: str, patience: timedelta | None = None) -> XenHost:
        """See `harness.job.seating.Hosts`."""
        return self._connect(name, self._prepared, patience or CONNECT_TIMEOUT)

    def inventories(self, name: str) -> Inventories:
        """See `harness.job.seating.Hosts`."""
        if self._run:
            return self._run.inventories(name)
        return self._inventories.setdefault(name, Inventories())

    def _connected(self, name: str, prepared: Prepared) -> XenHost:
        shared = self._run.host(name) if self._run else None
        if shared and shared.runner.alive:
            return shared
        host = self._hosts.get(name)
        if host is None or not host.runner.alive:
            host = self._hosts[name] = self._connect(name, prepared)
        return host

    def _connect(
        self, name: str, prepared: Prepared, patience: timedelta = CONNECT_TIMEOUT
    ) -> XenHost:
        spec, endpoint = self._plan.host_named(name), prepared.endpoint(name)
        return self._ways.connect(spec, endpoint, patience)
