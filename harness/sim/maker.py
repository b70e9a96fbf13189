"""Guest images of simulated hosts: nothing is built, and what is sent is a handful of files."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from harness.cache import content_key
from harness.errors import LabError, UsageError
from harness.flight.axes import Layout
from harness.flight.faults import FaultKind
from harness.flight.plan import Plan
from harness.guest.cache import Image
from harness.guest.extents import Extent
from harness.guest.manifest import BootFile, Manifest
from harness.guest.menu import COMMAND_LINE, MENU_PATH
from harness.host.transfer import Transfer
from harness.host.xenhost import XenHost
from harness.job.images import Built, ImageMaker
from harness.job.outcomes import ImageOutcomes
from harness.job.pipeline import ImagePipeline
from harness.job.wanted import Wanted
from harness.progress import Progress
from harness.remote.command import Command, Runner
from harness.results.recorder import FlightRecorder
from harness.sim.disk import SHADOW
from harness.sim.faults import Faults
from harness.sim.images import WRITE_IMAGE, pack
from harness.sim.shell import RELEASE
from harness.units import Size
from harness.wait import SYSTEM_CLOCK

DATA = Size.parse("380M")
"""What an image takes of a thin pool."""
BUILD_SECONDS = 40.0
_SEND_TIMEOUT = timedelta(minutes=15)
_OFFSET = 1 << 20
_SHADOW = b"root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n"
_MENU = f"""\
set timeout=0
menuentry 'Linux {RELEASE}' {{
        linux   /boot/vmlinuz-{RELEASE} {COMMAND_LINE}
        initrd  /boot/initrd.img-{RELEASE}
}}
"""


def files_of(image: Image) -> dict[str, bytes]:
    """What is in it, as far as anybody asks."""
    manifest = image.manifest
    boot = [file for file in (manifest.kernel, manifest.initrd) if file]
    files = {file.path: _contents(manifest.key, file.name) for file in boot}
    menu = {manifest.menu_path: manifest.menu.encode()} if manifest.menu else {}
    return files | menu | {SHADOW: _SHADOW}


def make_image(wanted: Wanted) -> Image:
    """The image of *wanted*, as a description."""
    key = content_key(wanted.name)
    disk = wanted.layout == Layout.DISK
    manifest = Manifest(
        key=key,
        spec={"kernel": f"linux-image-{RELEASE}"},
        mirror={},
        tools={},
        packages={},
        kernel=_boot_file(key, f"vmlinuz-{RELEASE}"),
        initrd=_boot_file(key, f"initrd.img-{RELEASE}"),
        root_partition=1 if disk else 0,
        root_offset=_OFFSET if disk else 0,
        menu=_MENU if disk else "",
        menu_path=MENU_PATH if disk else "",
        image_size=wanted.size or Size.parse("2G"),
        image_mtime_ns=0,
        extents=(Extent(0, DATA),),
        build_seconds=BUILD_SECONDS,
    )
    return Image(directory=Path("/nonexistent"), manifest=manifest)


class SimMaker(ImageMaker):
    """A `harness.job.images.Maker` whose images are only described; what is done with them on
    their host is what is done with any."""

    def __init__(self, plan: Plan, recorder: FlightRecorder, faults: Sequence[Faults]) -> None:
        super().__init__(plan, recorder, threading.Event())
        self._faults = faults

    def probe(self, wanted: Wanted) -> None:
        """There is no mirror."""

    def build(self, wanted: Wanted, progress: Progress) -> Built:
        """It takes as long as a build does."""
        if wanted.builder.on_host:
            msg = f"a simulated host has no builder such as {wanted.builder}"
            raise UsageError(msg)
        progress(f"building {wanted.name}")
        SYSTEM_CLOCK.sleep(BUILD_SECONDS)
        if any(one.strike(FaultKind.IMAGE_FAILS) for one in self._faults):
            msg = f"building {wanted.name} failed: the mirror's Release file is out of date"
            raise LabError(msg)
        return Built(image=make_image(wanted))

    def transfer(self, host: XenHost) -> Transfer:
        """See `SimTransfer`."""
        return SimTransfer(host.runner)


class SimTransfer:
    """A `harness.host.transfer.Transfer` that sends the files that matter."""

    name = "simulated"

    def __init__(self, host: Runner) -> None:
        self._host = host

    def send(self, image: Image, device: str) -> None:
        """Copy *image* to *device*; `LabError` when that fails."""
        data = pack(files_of(image), image.manifest.data_bytes)
        self._host.run(Command.of(WRITE_IMAGE, device), timeout=_SEND_TIMEOUT, stdin=data)


def sim_pipeline(
    plan: Plan,
    directory: Path,
    recorder: FlightRecorder,
    progress: Progress,
    faults: Sequence[Faults],
) -> ImagePipeline:
    """The pipeline of a real flight. *faults* are those of all its hosts."""
    maker = SimMaker(plan, recorder, faults)
    return ImagePipeline(maker, ImageOutcomes(directory), progress, threading.Event())


def _boot_file(key: str, name: str) -> BootFile:
    data = _contents(key, name)
    return BootFile(path=f"/boot/{name}", size=len(data), sha256=hashlib.sha256(data).hexdigest())


def _contents(key: str, name: str) -> bytes:
    return f"{name} of image {key}\n".encode()
