"""Images that are there already: found by key, built once, checked before they are used."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import LabError
from harness.guest.manifest import DamagedImage, Manifest, load

IMAGE = "root.img"
MANIFEST = "manifest.json"
_LOCK_TIMEOUT = timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True)
class Image:
    """A built image."""

    directory: Path
    manifest: Manifest

    @property
    def path(self) -> Path:
        """The sparse raw ext4 file system."""
        return self.directory / IMAGE


Build = Callable[[Path], None]
"""Fills an empty directory with `IMAGE` and, last of all, `MANIFEST`."""
Remove = Callable[[Path], None]
"""Removes a directory and all in it, whoever owns that."""


class ImageCache:
    """The images under *root*, one directory for each key."""

    def __init__(self, root: Path, remove: Remove) -> None:
        self.root = root
        self._remove = remove

    def get(self, key: str) -> Image | None:
        """The image of that key, if there is one and it is sound."""
        try:
            return check_image(self.root / key)
        except (DamagedImage, FileNotFoundError):
            return None

    def get_or_build(self, key: str, build: Build, *, waiting: Callable[[], None]) -> Image:
        """The image of that key; if several processes need it, one builds and the others wait.

        A build happens beside its final place and is renamed when it is whole. What a killed
        build or a damaged image left is removed first. *waiting* is called once before a wait.
        """
        found = self.get(key)
        if not found:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = self._acquire(key, waiting)
            try:
                found = self.get(key) or self._build(key, build)
            finally:
                lock.release()
        (found.directory / MANIFEST).touch()  # when it was last of use: see `prune`
        return found

    def prune(self, keep: int) -> list[str]:
        """Remove all images but the *keep* that were used last; the keys of those removed.

        Every change of the mirror makes new images. One that is being built is left alone.
        """
        found = [path for path in self.root.glob(f"[!.]*/{MANIFEST}") if path.is_file()]
        found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        removed = []
        for directory in (path.parent for path in found[keep:]):
            try:
                with FileLock(self.root / f".{directory.name}.lock", timeout=0):
                    self._remove(directory)
            except Timeout:
                continue
            removed.append(directory.name)
        return removed

    def _acquire(self, key: str, waiting: Callable[[], None]) -> FileLock:
        lock = FileLock(self.root / f".{key}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting()
            try:
                lock.acquire(timeout=_LOCK_TIMEOUT.total_seconds())
            except Timeout as error:
                msg = f"another process has been building image {key} for {_LOCK_TIMEOUT}"
                raise LabError(msg) from error
        return lock

    def _build(self, key: str, build: Build) -> Image:
        final = self.root / key
        for left in (*self.root.glob(f"{_beside(key)}*"), final):
            if left.exists():
                self._remove(left)
        # A name of its own: what a killed build left running may still write to the old one.
        beside = Path(tempfile.mkdtemp(prefix=_beside(key), dir=self.root))
        beside.chmod(0o755)
        try:
            build(beside)
            beside.rename(final)
        finally:
            if beside.exists():
                self._remove(beside)
        try:
            return check_image(final)
        except (DamagedImage, FileNotFoundError) as error:
            msg = f"the image that was just built in {final} is not sound: {error}"
            raise LabError(msg) from error


def _beside(key: str) -> str:
    """How the names of unfinished images begin."""
    return f".{key}.building-"


def check_image(directory: Path) -> Image:
    """The image in *directory*; `DamagedImage` if it is not as its manifest says.

    A changed size or time of change tells that somebody wrote to it (a guest, debugfs, a mount).
    """
    try:
        manifest = load((directory / MANIFEST).read_text())
        status = (directory / IMAGE).stat()
    except (UnicodeDecodeError, NotADirectoryError) as error:
        msg = f"its manifest cannot be read: {error}"
        raise DamagedImage(msg) from error
    if status.st_size != manifest.image_size:
        msg = f"it has {status.st_size} bytes instead of {manifest.image_size}"
        raise DamagedImage(msg)
    if status.st_mtime_ns != manifest.image_mtime_ns:
        msg = "it was written to after it was built"
        raise DamagedImage(msg)
    return Image(directory=directory, manifest=manifest)
