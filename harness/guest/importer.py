"""Images that somebody else made: brought into the cache as they are, for the host to have.

What was given is never written to. Nothing in it is changed, either: a job's own files go to its
scratch volume, and its results say which.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.cache import content_key
from harness.errors import LabError, UsageError
from harness.flight.axes import Boot, Virt
from harness.flight.fields import is_url
from harness.flight.model import ImageSource
from harness.guest import manifest
from harness.guest.cache import IMAGE, MANIFEST, Image, ImageCache
from harness.guest.debugfs import is_plain
from harness.guest.extents import data_extents
from harness.guest.fetch import check_sum, checksum, download
from harness.preflight.case import Case
from harness.preflight.files import UnreadableError, find, read_text
from harness.preflight.inspect import inspect_raw
from harness.preflight.model import Choice, ImageReport, Initrd, Kernel, Partition
from harness.preflight.opened import RawImage, check_file, opened, unpacked
from harness.preflight.sparse import write_sparse
from harness.preflight.tools import look
from harness.preflight.trees import EXT, tree_of
from harness.progress import Progress, silent
from harness.remote.command import Runner
from harness.units import Size, human_size

VERSION = "1"
"""Part of the key: a new way to import makes new entries."""


def ensure_import(
    source: ImageSource,
    *,
    cache: ImageCache,
    runner: Runner,
    size: Size | None = None,
    progress: Progress = silent,
) -> Image:
    """The image of *source* in the cache, as a raw disk of *size* bytes (None: its own size).

    A disk that is smaller grows by empty space at its end; no partition and no file system in it
    does. `LabError` when it cannot be had, has another sum, is damaged, or is bigger than *size*.
    """
    job = _Import(source=source, runner=runner, size=size, progress=progress)
    sha256 = job.sum()
    key = content_key("import", VERSION, sha256, str(int(size)) if size else "")

    def waiting() -> None:
        progress("waiting for another process that imports the same image", None)

    return cache.get_or_build(key, job.builder(key, sha256), waiting=waiting)


def seedable(report: ImageReport) -> bool:
    """Whether a job's own files can be written into it: its root is ext, and whole."""
    part = report.partition(report.root.partition) if report.root else None
    return bool(part and part.fs and part.fs.type in EXT and not part.fs.problem)


def root_partition(report: ImageReport) -> Partition | None:
    """Where its root is: seen, or else by the kernel's line of its menu, or the biggest one."""
    if report.root:
        return report.partition(report.root.partition)
    case = Case(report=report, virt=Virt.PV, boot=Boot.PVGRUB)
    for name in case.values("root"):
        if isinstance(found := case.device(name), Partition):
            return found
    return max(report.disk.partitions, key=lambda part: part.size, default=None)


@dataclass(frozen=True, kw_only=True)
class _Import:
    """One image to import."""

    source: ImageSource
    runner: Runner
    size: Size | None
    progress: Progress

    def sum(self) -> str:
        """Of the file as it is. A file here is read for it; one on a server was given its sum."""
        location = self.source.location
        if is_url(location):
            if not self.source.sha256:
                msg = f"the image {location} has no sha256, so nobody can tell whether it is right"
                raise LabError(msg)
            return self.source.sha256.lower()
        path = Path(location)
        with _lab_errors():
            check_file(path)
        found = checksum(path, self.progress)
        check_sum(found, self.source.sha256, location, path.stat().st_size)
        return found

    def builder(self, key: str, sha256: str) -> Callable[[Path], None]:
        """What fills the cache's new directory."""

        def build(directory: Path) -> None:
            began = time.monotonic()
            image = directory / IMAGE
            packed, kind, own = self._bring(directory, image, sha256)
            image.chmod(0o444)
            self.progress("looking into the image", None)
            spec: dict[str, Any] = {
                "builder": "import",
                "location": self.source.location,
                "sha256": sha256,
                "format": kind,
                "packed": packed,
                "size": own,
                "grown_to": int(self.size) if self.size and self.size > own else None,
            }
            with opened(image, self.runner) as raw:
                found = _describe(raw, image, key, spec, self.runner, began)
            (directory / MANIFEST).write_text(manifest.dump(found))

        return build

    def _bring(self, directory: Path, image: Path, sha256: str) -> tuple[str, str, int]:
        """Make *image*: how it was packed, its format, and its own size."""
        location = self.source.location
        path = Path(location)
        if is_url(location):
            path = directory / "download"
            came = download(location, path, self.progress)
            check_sum(came, sha256, location, path.stat().st_size)
        target = directory / "converted"
        with _lab_errors(path, location):
            raw, packed, kind = unpacked(
                path, target, self.runner, limit=self.size, progress=self.progress
            )
        if raw == Path(location):
            # Somebody's own file: copied, and its empty parts become holes.
            self.progress("copying the image", None)
            with path.open("rb") as file:
                write_sparse(file, image)
        else:
            raw.rename(image)
        for left in directory.iterdir():
            if left != image:
                left.unlink()
        own = image.stat().st_size
        if self.size and own < self.size:
            with image.open("r+b") as file:
                file.truncate(self.size)
            more = human_size(self.size - own)
            self.progress(f"the disk grew by {more} of empty space; its file systems did not", None)
        return packed, kind, own


@contextmanager
def _lab_errors(path: Path | None = None, location: str = "") -> Iterator[None]:
    """In a flight, a file that is no image is a fault of the lab: the plan was right."""
    try:
        yield
    except UsageError as error:
        message = error.message.replace(str(path), location) if path else error.message
        raise LabError(message, hint=error.hint) from error


def _describe(
    raw: RawImage, image: Path, key: str, spec: dict[str, Any], runner: Runner, began: float
) -> manifest.Manifest:
    report = inspect_raw(image, raw, runner)
    root = root_partition(report)
    kernel, initrd = _boot_files(report)
    menu_path, menu = _menu(report, raw, runner)
    status = image.stat()
    version = look(runner, "qemu-img", "--version").stdout.splitlines()[0]
    return manifest.Manifest(
        key=key,
        spec=spec,
        mirror={"key": "import", "dates": {}, "omitted": [], "expired": []},
        tools={"importer": VERSION, "qemu-img": version},
        packages={},
        kernel=kernel,
        initrd=initrd,
        root_partition=root.number if root else 0,
        root_offset=root.start if root else 0,
        seedable=seedable(report),
        menu=menu,
        menu_path=menu_path,
        image_size=status.st_size,
        image_mtime_ns=status.st_mtime_ns,
        extents=tuple(data_extents(image)),
        build_seconds=round(time.monotonic() - began, 1),
    )


def _boot_files(
    report: ImageReport,
) -> tuple[manifest.BootFile | None, manifest.BootFile | None]:
    """What a direct boot takes: both from the root file system, or nothing."""
    choice: Choice = report.direct
    if not seedable(report) or not choice.kernel or not choice.initrd or choice.kernel.problem:
        return None, None
    root = report.root.partition if report.root else -1
    if {choice.kernel.partition, choice.initrd.partition} != {root}:
        return None, None
    # The host takes them out by name; other boot methods are not concerned.
    if not (is_plain(choice.kernel.path) and is_plain(choice.initrd.path)):
        return None, None
    return _boot_file(choice.kernel), _boot_file(choice.initrd)


def _boot_file(file: Kernel | Initrd) -> manifest.BootFile:
    return manifest.BootFile(path=file.path, size=file.size, sha256=file.sha256)


def _menu(report: ImageReport, raw: RawImage, runner: Runner) -> tuple[str, str]:
    """Path and text of GRUB's menu, when it is in the root file system, where it can be changed."""
    root = report.root
    part = report.partition(root.partition) if root else None
    if part is None or not report.bios.menu or report.bios.partition != part.number:
        return "", ""
    tree = tree_of(raw, part, runner)
    try:
        found = find(tree, report.bios.menu)
        return (found[0], read_text(tree, found[0]) or "") if found else ("", "")
    except UnreadableError:
        return "", ""
