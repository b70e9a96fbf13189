"""The images of a flight: built or found here, then brought to its host."""

from __future__ import annotations

from harness.errors import HostLost, LabError
from harness.flight.model import HostSpec, JobSpec, MirrorSpec
from harness.flight.plan import Plan
from harness.guest.builder import ImageBuilder, Packages
from harness.guest.cache import Image
from harness.guest.spec import ImageSpec
from harness.host.golden import ensure_golden
from harness.host.transfer import HotplugTransfer, SshTransfer, Transfer
from harness.host.xenhost import XenHost
from harness.job.prepared import PreparedImage
from harness.mirror.mirror import Mirror, machine_mirror
from harness.mirror.probe import probe_mirror
from harness.mirror.proxy import AptCache
from harness.progress import Progress
from harness.remote.local import LocalRunner
from harness.results.model import ImageFacts
from harness.results.recorder import FlightRecorder
from harness.testbox.plug import TestboxPlug


class FlightImages:
    """Has each image that a flight needs ready on its host, once."""

    def __init__(self, plan: Plan, recorder: FlightRecorder, progress: Progress) -> None:
        self._plan = plan
        self._recorder = recorder
        self._progress = progress

    def on(self, host: XenHost) -> dict[str, PreparedImage]:
        """The image of every job by the job's name; jobs that need the same one share it.

        One that can't be had breaks only the jobs that need it. `HostLost` is raised: then
        no job can run.
        """
        made: dict[ImageSpec, PreparedImage] = {}
        for spec in dict.fromkeys(map(image_spec, self._plan.jobs)):
            try:
                made[spec] = self.make(host, spec)
            except HostLost:
                raise
            except LabError as error:
                made[spec] = PreparedImage(broken=str(error))
        return {job.name: made[image_spec(job)] for job in self._plan.jobs}

    def make(self, host: XenHost, spec: ImageSpec) -> PreparedImage:
        """One image, on *host*; `LabError` when it can't be had."""
        image, reused = build(spec, self._plan.mirror, self._progress)
        transfer = transfer_to(host, self._plan.host)
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


def build(spec: ImageSpec, wanted: MirrorSpec, progress: Progress) -> tuple[Image, bool]:
    """The image of *spec*, and whether it was there already. `LabError` when it can't be had."""
    progress(f"probing the mirror for {spec.dist}")
    mirror = Mirror.from_url(wanted.url) if wanted.url else machine_mirror()
    snapshot = probe_mirror(
        mirror,
        spec.dist,
        arch=spec.arch,
        accept_expired=wanted.accept_expired,
        omit=wanted.omit,
    )
    built = False

    def building(text: str, fraction: float | None = None) -> None:
        nonlocal built
        built = True
        progress(f"building {spec.dist}: {text}", fraction)

    local = LocalRunner()
    cache = AptCache(mirror, local)
    packages = Packages(
        mirror=cache.through(cache.ensure()),
        snapshot=snapshot,
        accept_expired=wanted.accept_expired,
    )
    image = ImageBuilder(local).ensure(spec, packages, building)
    return image, not built


def transfer_to(host: XenHost, spec: HostSpec) -> Transfer:
    """The fastest way to bring an image to *host*."""
    if spec.testbox:
        return HotplugTransfer(host.runner, TestboxPlug(host.name))
    return SshTransfer(host.runner, LocalRunner())


def image_spec(job: JobSpec) -> ImageSpec:
    """The image that a job needs."""
    return ImageSpec(
        dist=job.dist, arch=job.arch, size=job.disk, extra_packages=tuple(sorted(job.packages))
    )
