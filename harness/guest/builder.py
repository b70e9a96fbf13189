"""Builds guest images: mmdebstrap makes a tree, mke2fs makes it a file system. No root, no mounts.

See docs/adr/0004 for how the tree becomes a file system, and why in a user namespace.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from harness.cache import cache_root
from harness.errors import CommandFailed, LabError
from harness.guest import disk, manifest
from harness.guest.cache import IMAGE, MANIFEST, Image, ImageCache
from harness.guest.extents import data_extents
from harness.guest.layout import Layout
from harness.guest.menu import MENU_PATH
from harness.guest.mmdebstrap import (
    END,
    BuildProgress,
    in_user_namespace,
    mmdebstrap_command,
    mode,
    remove_tree,
)
from harness.guest.spec import ImageSpec, content_key
from harness.mirror.mirror import Mirror, source_line
from harness.mirror.probe import MirrorSnapshot
from harness.progress import Progress, silent
from harness.remote.command import DEFAULT_TIMEOUT, Command, CommandResult

BUILD_TIMEOUT = timedelta(minutes=20)
_MKFS_TIMEOUT = timedelta(minutes=5)


class LineRunner(Protocol):
    """Runs local commands (`harness.remote.local.LocalRunner` does)."""

    def run(self, command: Command, *, timeout: timedelta = DEFAULT_TIMEOUT) -> CommandResult:
        """Run to the end; `CommandFailed` on a bad status."""
        ...

    def run_with_lines(
        self, command: Command, on_line: LineSink, timeout: timedelta = DEFAULT_TIMEOUT
    ) -> CommandResult:
        """The same, and each line is passed on as it comes."""
        ...


class LineSink(Protocol):
    """Takes lines."""

    def __call__(self, line: str, /) -> None:
        """Take one."""
        ...


@dataclass(frozen=True, kw_only=True)
class Packages:
    """Where packages come from: a probed *mirror* and what was seen there.

    *accept_expired*: the flight lets a pocket past its Valid-Until count.
    """

    mirror: Mirror
    snapshot: MirrorSnapshot
    accept_expired: bool = False

    def source_lines(self) -> list[str]:
        """For sources.list: exactly the pockets that were probed."""
        names = {pocket.name for pocket in self.snapshot.pockets}
        suite = self.snapshot.pockets[0].suite
        return [
            source_line(ref, accept_expired=self.accept_expired)
            for ref in self.mirror.pockets(suite)
            if ref.name in names
        ]


class ImageBuilder:
    """Builds images into a cache, or finds them there."""

    def __init__(self, runner: LineRunner, *, root: Path | None = None) -> None:
        self._runner = runner
        self.cache = ImageCache(root or cache_root() / "images", self._remove)

    def ensure(self, spec: ImageSpec, packages: Packages, on_progress: Progress = silent) -> Image:
        """The image for *spec* from this state of the mirror, built if it is not there.

        `LabError` when it cannot be built; then nothing is left that counts as an image.
        """
        tools = self._tools()
        key = content_key(spec, packages.snapshot.key, tools)

        def build(directory: Path) -> None:
            self._build(directory, spec, packages, _Job(key, tools, on_progress))

        def waiting() -> None:
            on_progress("waiting for another process that builds the same image", None)

        return self.cache.get_or_build(key, build, waiting=waiting)

    def _tools(self) -> dict[str, str]:
        try:
            mmdebstrap = self._runner.run(Command.of("mmdebstrap", "--version")).stdout
            mke2fs = self._runner.run(Command.of("mke2fs", "-V")).stderr
        except CommandFailed as error:
            msg = f"guest images cannot be built here: {error.message}"
            raise LabError(
                msg, hint="install mmdebstrap, e2fsprogs, fdisk, mtools, uidmap"
            ) from error
        return {"mmdebstrap": mmdebstrap.strip(), "mke2fs": mke2fs.splitlines()[0].strip()}

    def _build(self, directory: Path, spec: ImageSpec, packages: Packages, job: _Job) -> None:
        began = time.monotonic()
        prefix = scratch_prefix(self.cache.root, job.key)
        self._remove_left(scratch_dirs(prefix))
        # Not below the cache: subordinate users cannot pass through a private home directory.
        scratch = Path(tempfile.mkdtemp(prefix=prefix))
        scratch.chmod(0o755)
        try:
            target = directory / "root.tar"
            command = mmdebstrap_command(spec, packages.source_lines(), target, scratch, mode())
            self._run_mmdebstrap(command, spec, job)
        finally:
            self._remove(scratch)
        job.tell("making the image", END)
        script = disk.make_image(directory, spec.layout, spec.size)
        self._runner.run(in_user_namespace(script), timeout=_MKFS_TIMEOUT)
        if spec.layout is Layout.DISK:
            disk.write_bios_loader(directory)
        self._describe(directory, spec, packages.snapshot, job, began)
        job.tell("done", 1.0)

    def _run_mmdebstrap(self, command: Command, spec: ImageSpec, job: _Job) -> None:
        lines = BuildProgress(job.tell)
        try:
            self._runner.run_with_lines(command, lines.feed, BUILD_TIMEOUT)
        except CommandFailed as error:
            # The command itself is two pages long; the first complaints tell why.
            said = "; ".join(lines.errors[:3]) or error.stderr.strip()[-300:]
            msg = f"building the {spec.dist} image failed (mmdebstrap ended with "
            msg += f"{error.exit_status}): {said}"
            raise LabError(msg) from error

    def _describe(
        self, directory: Path, spec: ImageSpec, seen: MirrorSnapshot, job: _Job, began: float
    ) -> None:
        """Write the manifest, and leave nothing but it and the image."""
        image = directory / IMAGE
        kernel, initrd = (
            _boot_file(directory / disk.BOOT, word) for word in ("vmlinuz", "initrd.img")
        )
        versions = (line.split() for line in (directory / disk.PACKAGES).read_text().splitlines())
        menu = (directory / disk.MENU).read_text()
        for name in (disk.BOOT, disk.PARTS, disk.MENU, disk.PACKAGES):
            self._remove(directory / name)
        image.chmod(0o444)
        status = image.stat()
        found = manifest.Manifest(
            key=job.key,
            spec=spec.as_json(),
            mirror=seen.as_json(),
            tools=job.tools,
            packages={words[0]: words[1] for words in versions},
            kernel=kernel,
            initrd=initrd,
            root_partition=spec.layout.root_partition,
            root_offset=spec.layout.root_offset,
            menu=menu,
            menu_path=MENU_PATH,
            image_size=status.st_size,
            image_mtime_ns=status.st_mtime_ns,
            extents=tuple(data_extents(image)),
            build_seconds=round(time.monotonic() - began, 1),
        )
        (directory / MANIFEST).write_text(manifest.dump(found))

    def _remove(self, path: Path) -> None:
        """Remove a tree; parts of it may belong to our subordinate users."""
        self._runner.run(remove_tree(path))

    def _remove_left(self, paths: Iterable[Path]) -> None:
        """Remove what killed builds left; if one is only just ending, the next build does."""
        for path in paths:
            with suppress(CommandFailed):
                self._remove(path)


@dataclass(frozen=True)
class _Job:
    """One build: what it is called, what it is made with, whom it tells."""

    key: str
    tools: dict[str, str]
    tell: Progress


def scratch_prefix(root: Path, key: str) -> str:
    """How the names of the scratch directories begin in which *key* is built for the cache *root*.

    The cache's lock keeps two builds of a key apart, but not from those for another cache.
    """
    cache = hashlib.sha256(str(root).encode()).hexdigest()[:6]
    return f"xenflight-image-{os.getuid()}-{cache}-{key}-"


def scratch_dirs(prefix: str) -> list[Path]:
    """What killed builds left in the directory for temporary files, in names of that *prefix*."""
    found = Path(tempfile.gettempdir()).glob(f"{prefix}*")
    # Anyone may make names there: only ours are ours.
    return [path for path in found if path.lstat().st_uid == os.getuid() and not path.is_symlink()]


def _boot_file(boot: Path, word: str) -> manifest.BootFile:
    found = sorted(boot.glob(f"{word}-*"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        msg = f"the image should have one /boot/{word}-*, but has: {names}"
        raise LabError(msg)
    data = found[0].read_bytes()
    return manifest.BootFile(
        path=f"/boot/{found[0].name}", size=len(data), sha256=hashlib.sha256(data).hexdigest()
    )
