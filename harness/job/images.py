"""One image for a flight: built or found here, then brought to its host."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from harness.build.mirror import mirror_for_host
from harness.cache import cache_root
from harness.errors import LabError
from harness.flight.axes import Builder
from harness.flight.model import HostSpec, ImageSource, MirrorSpec
from harness.flight.plan import Plan
from harness.guest.builder import ImageBuilder, Packages
from harness.guest.cache import Image
from harness.guest.importer import ensure_import
from harness.host.evict import make_room, note_use
from harness.host.golden import GoldenVolume, ensure_golden
from harness.host.transfer import HotplugTransfer, SshTransfer, Transfer
from harness.host.xenhost import XenHost
from harness.job.prepared import PreparedImage
from harness.job.wanted import Wanted
from harness.mirror.opening import OpenMirror, open_mirror
from harness.progress import Progress
from harness.remote.local import LocalRunner
from harness.results.model import ImageFacts
from harness.results.recorder import FlightRecorder
from harness.storage.names import golden_name
from harness.testbox.plug import TestboxPlug
from harness.testbox.space import require_space
from harness.units import Size

ROOM = Size.parse("3G")
"""Free space to begin a build with: packages, the tree as an archive and unpacked, the image."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """What there is before the host has it: an *image*, or just a *mirror* to build from there."""

    image: Image | None = None
    mirror: OpenMirror | None = None
    reused: bool = False


class Maker(Protocol):
    """Makes images; used by several threads at once, each with an image of its own."""

    def probe(self, wanted: Wanted) -> None:
        """Look at its mirror, if it has one. What is wrong is told again by `build`."""
        ...

    def build(self, wanted: Wanted, progress: Progress) -> Built:
        """Have it here. No host is needed. `XenflightError` when it can't be had."""
        ...

    def bring(
        self, wanted: Wanted, built: Built, host: XenHost, progress: Progress
    ) -> PreparedImage:
        """Have it on *host*, and in the results. `XenflightError` when that can't be."""
        ...


class LocalImages:
    """Images in the cache of this machine. Commands that run when *stop* is set are ended."""

    def __init__(self, stop: threading.Event) -> None:
        self.local = LocalRunner(stop=stop)
        self._mirrors = _Mirrors(self.local)

    def probe(self, wanted: Wanted) -> None:
        """See `Maker.probe`."""
        if wanted.builder is not Builder.IMPORT:
            self._mirrors.get(wanted)

    def build(self, wanted: Wanted, progress: Progress) -> Built:
        """See `Maker.build`."""
        if wanted.source:
            image, reused = import_image(wanted, wanted.source, self.local, progress)
            return Built(image=image, reused=reused)
        progress(f"probing the mirror for {wanted.dist}")
        mirror = self._mirrors.get(wanted)
        if wanted.builder.on_host:
            return Built(mirror=mirror)
        image, reused = build_debian(wanted, mirror, self.local, progress)
        return Built(image=image, mirror=mirror, reused=reused)


class ImageMaker(LocalImages):
    """The real `Maker`: what `LocalImages` builds, on the hosts of *plan*."""

    def __init__(self, plan: Plan, recorder: FlightRecorder, stop: threading.Event) -> None:
        super().__init__(stop)
        self._plan = plan
        self._recorder = recorder
        self._lock = threading.Lock()
        self._told: set[str] = set()

    def bring(
        self, wanted: Wanted, built: Built, host: XenHost, progress: Progress
    ) -> PreparedImage:
        """See `Maker.bring`."""
        prepared = PreparedImage()
        if built.mirror and not built.image:
            prepared = PreparedImage(
                mirror_url=_url_for_host(built.mirror, self._plan.host_named(host.name))
            )
        if built.image:
            prepared = describe(built.image, self._golden(built.image, host, progress))
        self._tell(wanted, built)
        return prepared

    def _tell(self, wanted: Wanted, built: Built) -> None:
        """Into the results, once for all hosts that get it."""
        with self._lock:
            first = wanted.name not in self._told
            self._told.add(wanted.name)
        if first:
            packages = built.image.manifest.packages if built.image else None
            self._recorder.image_ready(_facts(wanted, built), packages)

    def _golden(self, image: Image, host: XenHost, progress: Progress) -> GoldenVolume:
        run, name = self._plan.flight_id, golden_name(image.manifest.key)
        note_use(host, name, run)
        if not host.volumes.find(name):
            make_room(host, Size(image.manifest.data_bytes), progress)
        return ensure_golden(host, image, run, self.transfer(host), progress)

    def transfer(self, host: XenHost) -> Transfer:
        """How an image is brought to *host*."""
        return transfer_to(host, self._plan.host_named(host.name), self.local)


class _Mirrors:
    """The mirrors of a flight, each probed once, whoever asks first."""

    def __init__(self, local: LocalRunner) -> None:
        self._local = local
        self._lock = threading.Lock()
        self._found: dict[tuple[MirrorSpec, str, tuple[str, ...]], Future[OpenMirror]] = {}

    def get(self, wanted: Wanted) -> OpenMirror:
        key = (wanted.mirror, wanted.dist, wanted.arches())
        with self._lock:
            found = self._found.get(key)
            mine: Future[OpenMirror] = found or Future()
            self._found[key] = mine
        if found is None:
            try:
                mine.set_result(self._open(*key))
            except BaseException as error:
                mine.set_exception(error)
                raise
        return mine.result()

    def _open(self, spec: MirrorSpec, dist: str, arches: tuple[str, ...]) -> OpenMirror:
        return open_mirror(
            dist,
            self._local,
            url=spec.url,
            arches=arches,
            accept_expired=spec.accept_expired,
            omit=spec.omit,
        )


def build_debian(
    wanted: Wanted, mirror: OpenMirror, local: LocalRunner, progress: Progress
) -> tuple[Image, bool]:
    """The image, and whether it was there already. `LabError` when it can't be built."""
    built = False

    def building(text: str, fraction: float | None = None) -> None:
        nonlocal built
        if not built:
            require_space(cache_root() / "images", ROOM, f"building {wanted.name}")
        built = True
        progress(f"building {wanted.name}: {text}", fraction)

    packages = Packages(
        mirror=mirror.seen_from(),
        snapshot=mirror.snapshot,
        accept_expired=wanted.mirror.accept_expired,
    )
    try:
        image = ImageBuilder(local).ensure(wanted.spec(), packages, building)
    except LabError as error:
        raise mirror.blame(error) from error
    return image, not built


def import_image(
    wanted: Wanted, source: ImageSource, local: LocalRunner, progress: Progress
) -> tuple[Image, bool]:
    """The image of *source*, and whether it was there already; see `ensure_import`."""

    def importing(text: str, fraction: float | None = None) -> None:
        progress(f"importing {wanted.name}: {text}", fraction)

    began = time.time_ns()
    cache = ImageBuilder(local).cache
    image = ensure_import(source, cache=cache, runner=local, size=wanted.size, progress=importing)
    # Its sum is taken every time, so that work was done says nothing.
    return image, image.path.stat().st_ctime_ns < began


def transfer_to(host: XenHost, spec: HostSpec, local: LocalRunner) -> Transfer:
    """The fastest way to bring an image to *host*."""
    if spec.testbox:
        return HotplugTransfer(host.runner, TestboxPlug(host.name))
    return SshTransfer(host.runner, local)


def describe(image: Image, golden: GoldenVolume) -> PreparedImage:
    """What a job must know of an image that is on its host."""
    manifest, boot = image.manifest, golden.boot
    return PreparedImage(
        key=manifest.key,
        golden=golden.name,
        kernel=boot.kernel if boot else "",
        initrd=boot.initrd if boot else "",
        layout="disk" if manifest.root_partition else "bare",
        root_partition=manifest.root_partition,
        root_offset=manifest.root_offset,
        seedable=manifest.seedable,
        menu=manifest.menu,
        menu_path=manifest.menu_path,
    )


def _url_for_host(found: OpenMirror, spec: HostSpec) -> str:
    """The mirror as a builder on the host gets at it; `UsageError` when it can't."""
    return mirror_for_host(spec, found.mirror, found.cache, found.running)


def _facts(wanted: Wanted, built: Built) -> ImageFacts:
    manifest = built.image.manifest if built.image else None
    spec = manifest.spec if manifest else {}
    mirror = manifest.mirror if manifest else {}
    if built.mirror and not manifest:
        mirror = built.mirror.snapshot.as_json()
    return ImageFacts(
        key=manifest.key if manifest else wanted.name,
        dist=wanted.dist,
        arch=wanted.arch,
        builder=wanted.builder,
        layout=wanted.layout or None,
        kernel=spec.get("kernel"),
        source=wanted.source.location if wanted.source else None,
        reused=built.reused,
        release_dates=mirror.get("dates", {}),
        omitted=tuple(mirror.get("omitted", ())),
        expired=tuple(mirror.get("expired", ())),
        build_seconds=manifest.build_seconds if manifest else None,
    )
