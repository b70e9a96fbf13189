"""One flight in its controller: the host made ready before the first job, left clean after
the last."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from harness.errors import HostLost, LabError, XenflightError
from harness.flight.model import HostSpec, JobSpec
from harness.flight.plan import Plan
from harness.guest.builder import ImageBuilder, Packages
from harness.guest.cache import Image
from harness.guest.spec import ImageSpec
from harness.host.facts import host_facts
from harness.host.golden import ensure_golden
from harness.host.lock import HostLock, take_lock
from harness.host.names import run_directory
from harness.host.reaper import reap_dead, reap_run
from harness.host.transfer import HotplugTransfer, SshTransfer, Transfer
from harness.host.xenhost import XenHost
from harness.job.prepared import Endpoint, JobFacts, Prepared, PreparedImage
from harness.job.secrets import FlightSecrets
from harness.mirror.mirror import Mirror, machine_mirror
from harness.mirror.probe import probe_mirror
from harness.mirror.proxy import AptCache
from harness.progress import Progress
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.remote.sshlink import SshEndpoint
from harness.results.model import ImageFacts
from harness.results.recorder import FlightRecorder
from harness.testbox.machine import Testbox
from harness.testbox.plug import TestboxPlug
from harness.wait import Deadline

LOCK_TIMEOUT = timedelta(seconds=30)


class FlightRun:
    """Makes the host ready for a flight and cleans up behind it.

    What fails in `prepare` is our lab's fault: it is written down, and the jobs that need
    it find it there and are ``broken``.
    """

    def __init__(
        self, plan: Plan, directory: Path, recorder: FlightRecorder, progress: Progress
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._recorder = recorder
        self._progress = progress
        self._local = LocalRunner()
        self._secrets: FlightSecrets | None = None
        self._host: XenHost | None = None
        self._lock: HostLock | None = None
        self._kept = False

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

    def finish(self) -> None:
        """Remove what is still there, and let go of the host."""
        self._progress("looking for leftovers")
        try:
            self._sweep()
        except XenflightError as error:
            self._recorder.problem(str(error))
        finally:
            if self._lock:
                self._lock.release()
            if self._host:
                self._host.close()
            if self._secrets and not self._kept:
                self._secrets.remove()

    def how_to_reach(self, job: str, facts: JobFacts) -> str:
        """Words for the operator who asked to keep a guest."""
        self._kept = True
        domain = facts.runvars.get("domain", "?")
        text = f"kept: {job} is domain {domain} on {self._plan.host.name}"
        address = facts.runvars.get("guest_ip")
        if address and self._secrets:
            text += f", root@{address} with key {self._secrets.user_key}"
        return f"{text}; remove it with: xenflight reap --kept {self._plan.flight_id}"

    # -- preparing ---------------------------------------------------------------------

    def _prepare(self, secrets: FlightSecrets) -> Prepared:
        endpoint, accel = self._reach()
        host = self._host = XenHost.connect(self._plan.host, endpoint)
        run = self._plan.flight_id
        self._lock = take_lock(host.runner, run, Deadline.after(LOCK_TIMEOUT))
        host.runner.run(Command.of("mkdir", "-p", run_directory(run)))
        self._recorder.host_known(host_facts(host, self._plan.host, accel))
        self._progress(f"looking for leftovers of dead flights on {host.name}")
        for left in reap_dead(host, alive=[run]):
            self._progress(f"removed what flight {left.run} left behind: {left}")
        host.volumes.check()
        return Prepared(
            flight_id=run,
            host=Endpoint.of(endpoint),
            secrets=secrets.directory,
            images=self._images(host),
        )

    def _reach(self) -> tuple[SshEndpoint, str | None]:
        spec = self._plan.host
        if spec.testbox:
            started = Testbox(spec.name, spec.testbox).up(self._progress)
            for note in started.notes:
                self._progress(note)
            self._progress(f"testbox {spec.name}: {started.how}, {started.accel}")
            return started.endpoint, str(started.accel)
        return ssh_endpoint(spec), None

    def _images(self, host: XenHost) -> dict[str, PreparedImage]:
        """The image of every job; jobs that need the same one share it."""
        made: dict[ImageSpec, PreparedImage] = {}
        for job in self._plan.jobs:
            spec = image_spec(job)
            if spec in made:
                continue
            try:
                made[spec] = self._image(host, spec)
            except HostLost:
                raise
            except LabError as error:
                made[spec] = PreparedImage(broken=str(error))
        return {job.name: made[image_spec(job)] for job in self._plan.jobs}

    def _image(self, host: XenHost, spec: ImageSpec) -> PreparedImage:
        image, reused = self._build(spec)
        transfer: Transfer = SshTransfer(host.runner, self._local)
        if self._plan.host.testbox:
            transfer = HotplugTransfer(host.runner, TestboxPlug(host.name))
        golden = ensure_golden(host, image, self._plan.flight_id, transfer, self._progress)
        manifest = image.manifest
        self._recorder.image_ready(
            ImageFacts(
                key=manifest.key,
                dist=spec.dist,
                arch=spec.arch,
                builder=spec.builder,
                reused=reused,
                release_dates=manifest.mirror["dates"],
                build_seconds=manifest.build_seconds,
            )
        )
        return PreparedImage(
            key=manifest.key,
            golden=golden.name,
            kernel=golden.boot.kernel,
            initrd=golden.boot.initrd,
        )

    def _build(self, spec: ImageSpec) -> tuple[Image, bool]:
        self._progress(f"probing the mirror for {spec.dist}")
        wanted = self._plan.mirror
        mirror = Mirror.from_url(wanted.url) if wanted.url else machine_mirror()
        snapshot = probe_mirror(
            mirror,
            spec.dist,
            arch=spec.arch,
            accept_expired=wanted.accept_expired,
            omit=wanted.omit,
        )
        built = False

        def progress(text: str, fraction: float | None = None) -> None:
            nonlocal built
            built = True
            self._progress(f"building {spec.dist}: {text}", fraction)

        cache = AptCache(mirror, self._local)
        packages = Packages(
            mirror=cache.through(cache.ensure()),
            snapshot=snapshot,
            accept_expired=wanted.accept_expired,
        )
        image = ImageBuilder(self._local).ensure(spec, packages, progress)
        return image, not built

    # -- finishing ---------------------------------------------------------------------

    def _sweep(self) -> None:
        """All workers are gone: whatever this flight still has was left behind."""
        if self._host is None:
            return
        if not self._host.runner.alive:
            self._host = XenHost.connect(self._plan.host, self._host.runner.endpoint)
        left = reap_run(self._host, self._plan.flight_id)
        self._kept = self._kept or bool(left.kept_jobs)
        if left.domains or left.volumes:
            self._recorder.problem(f"left behind by this flight, and removed: {left}")


def ssh_endpoint(spec: HostSpec) -> SshEndpoint:
    """How to reach a host that is no testbox."""
    assert spec.ssh is not None
    return SshEndpoint(
        name=spec.name,
        address=spec.ssh.address,
        port=spec.ssh.port,
        user=spec.ssh.user,
        key_file=Path(spec.ssh.key_file).expanduser(),
        host_key=spec.ssh.host_key,
    )


def image_spec(job: JobSpec) -> ImageSpec:
    """The image that a job needs."""
    return ImageSpec(
        dist=job.dist, arch=job.arch, size=job.disk, extra_packages=tuple(sorted(job.packages))
    )
