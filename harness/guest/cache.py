"""Images that are there already: found by key, built once, checked before they are used."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.cache import Busy, exclusive
from harness.errors import LabError
from harness.guest.manifest import DamagedImage, Manifest, load

IMAGE = "root.img"
MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Image:
    """A built image."""

    directory: Path
    manifest: Manifest

    @property
    def path(self) -> Path:
        """The sparse raw ext4 file system."""
        return self.directory / IMAGE


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the cache has under one key."""

    directory: Path
    image: Image | None
    """None when it is damaged; the next who needs it builds it anew."""
    problem: str
    disk: int
    """Bytes that it takes on the disk; holes take none."""
    built: datetime
    last_use: datetime


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
        build or a damaged image left is removed first. *waiting* is called while another one
        builds, and may raise to give up.
        """
        found = self.get(key)
        if not found:
            with exclusive(self._lock(key), what=f"building image {key}", waiting=waiting):
                found = self.get(key) or self._build(key, build)
        (found.directory / MANIFEST).touch()  # when it was last of use: see `prune`
        return found

    def entries(self) -> list[Entry]:
        """All images, the one that was used last first. Those being built are not among them."""
        found = [_entry(path) for path in self.root.glob("[!.]*/") if (path / MANIFEST).is_file()]
        return sorted(found, key=lambda entry: entry.last_use, reverse=True)

    def prune(
        self, keep: int, *, older_than: timedelta | None = None, dry_run: bool = False
    ) -> list[str]:
        """Remove all images but the *keep* that were used last; the keys of those removed.

        *older_than*: only those that nobody used for so long. *dry_run*: only say which. Every
        change of the mirror makes new images. One that is being built is left alone.
        """
        before = datetime.now(UTC) - (older_than or timedelta(0))
        removed = []
        for entry in self.entries()[keep:]:
            if older_than is not None and entry.last_use > before:
                continue
            if not dry_run and not self._drop(entry):
                continue
            removed.append(entry.directory.name)
        return removed

    def _drop(self, entry: Entry) -> bool:
        key = entry.directory.name
        try:
            nobody = timedelta(0)
            with exclusive(self._lock(key), what=f"image {key}", timeout=nobody):
                self._remove(entry.directory)
        except Busy:
            return False
        return True

    def _lock(self, key: str) -> Path:
        return self.root / f".{key}.lock"

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


def _entry(directory: Path) -> Entry:
    image, problem = None, ""
    try:
        image = check_image(directory)
    except (DamagedImage, FileNotFoundError) as error:
        problem = str(error)
    files = [path for path in directory.rglob("*") if path.is_file()]
    return Entry(
        directory=directory,
        image=image,
        problem=problem,
        disk=sum(path.lstat().st_blocks * 512 for path in files),
        built=_changed(directory / IMAGE if image else directory),
        last_use=_changed(directory / MANIFEST),
    )


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


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
