"""dom0's disk image: which there are, and which one to use."""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.cache import content_key, exclusive
from harness.errors import LabError
from harness.progress import Progress
from harness.remote.local import LocalRunner
from harness.testbox.build import build_image, recipe_key
from harness.testbox.paths import base_directory
from harness.testbox.qemu import BootFiles
from harness.testbox.releases import Dom0Release, find_release
from harness.testbox.space import require_space
from harness.units import Size

BUILD_SPACE = Size.parse("4G")
"""The archive, the unpacked tree and the image of a dom0, while it is built."""
PREFIX = "dom0-"


@dataclass(frozen=True)
class Dom0Image:
    """A built dom0 disk and what belongs to it. It never changes: a rebuild is a new one."""

    directory: Path

    @property
    def name(self) -> str:
        """Its directory's name, which is unique."""
        return self.directory.name

    @property
    def root(self) -> Path:
        """The root file system: ext4, raw, sparse. Never written to again."""
        return self.directory / "root.img"

    @property
    def boot_files(self) -> BootFiles:
        """What QEMU starts."""
        return BootFiles(
            xen=self.directory / "xen",
            kernel=self.directory / "vmlinuz",
            initrd=self.directory / "initrd.img",
        )

    def disk(self, recipe: str) -> Path:
        """A disk that this dom0 was installed on by *recipe*, if it was; boots by itself."""
        return self.directory / f"disk-{recipe}.qcow2"

    @property
    def key_file(self) -> Path:
        """The private key that opens this dom0 and nothing else."""
        return self.directory / "id_ed25519"

    @property
    def manifest_file(self) -> Path:
        """What went in, as JSON; written last."""
        return self.directory / "manifest.json"

    @property
    def manifest(self) -> dict[str, object]:
        """What went in: release, packages with versions, Release dates, seconds."""
        try:
            found = json.loads(self.manifest_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            msg = f"{self.manifest_file} can't be read: {error}"
            raise LabError(msg, hint="`xenflight testbox rebuild` makes a new one") from error
        if not isinstance(found, dict):
            msg = f"{self.manifest_file} is not a manifest"
            raise LabError(msg)
        return found

    @property
    def host_key(self) -> str:
        """dom0's public host key, to be pinned."""
        return str(self.manifest["host_key"])

    @property
    def key(self) -> str:
        """The name of this very image: two builds of one recipe differ in their SSH keys."""
        return content_key(json.dumps(self.manifest, sort_keys=True))

    @property
    def built(self) -> float:
        """When it was built: seconds since the epoch."""
        return self.manifest_file.stat().st_mtime

    def require(self) -> None:
        """`LabError` when it is not complete."""
        if not self.complete:
            msg = f"the dom0 image {self.directory} is damaged or gone"
            raise LabError(msg, hint="`xenflight testbox rebuild` makes a new one")

    @property
    def complete(self) -> bool:
        """Whether nothing is missing (somebody may have cleaned up)."""
        files = (self.root, *vars(self.boot_files).values(), self.key_file)
        if not all(path.exists() for path in (*files, self.manifest_file)):
            return False
        try:
            return "host_key" in self.manifest
        except LabError:
            return False


def images(release_name: str) -> list[Dom0Image]:
    """All images of a Debian release, oldest first, of whatever recipe."""
    found = [Dom0Image(path) for path in base_directory().glob(f"{PREFIX}{release_name}-*")]
    return sorted((image for image in found if image.complete), key=lambda image: image.built)


def find_dom0(release_name: str) -> Dom0Image | None:
    """The newest image of a release made by today's recipe; None when there is none.

    It is found by its recipe (release, packages, configuration), not by what the mirror has
    today: a test host must not change under its users from one day to the next.
    """
    stem = _stem(find_release(release_name))
    fitting = [image for image in images(release_name) if image.name.startswith(stem)]
    return fitting[-1] if fitting else None


def ensure_dom0(
    release_name: str, runner: LocalRunner, progress: Progress, *, rebuild: bool = False
) -> Dom0Image:
    """The dom0 image of a Debian release (`find_dom0`), built if there is none.

    `rebuild` takes today's packages. `LabError` when it can't be built.
    """
    release = find_release(release_name)
    before = find_dom0(release.name)
    if before and not rebuild:
        return before
    lock = base_directory() / f"{release.name}-build.lock"
    with exclusive(lock, what=f"building dom0 ({release.name})"):
        found = find_dom0(release.name)
        if found and found != before:
            # Somebody else has built it while we waited.
            return found
        return _build(release, runner, progress)


def _build(release: Dom0Release, runner: LocalRunner, progress: Progress) -> Dom0Image:
    base = base_directory()
    require_space(base, BUILD_SPACE, f"building dom0 ({release.name})")
    work_prefix = f"build-{_stem(release)}-"
    # We hold the lock: what an earlier build left was left by one that was killed.
    for left in base.glob(f"{work_prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=base, prefix=work_prefix) as temporary:
        made = build_image(release, runner, progress, Path(temporary))
        directory = base / f"{_stem(release)}-{secrets.token_hex(3)}"
        made.rename(directory)
    return Dom0Image(directory)


def _stem(release: Dom0Release) -> str:
    return f"{PREFIX}{release.name}-{recipe_key(release)}"
