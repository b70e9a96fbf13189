"""Removing dom0 images and warm states that newer ones have replaced and nobody uses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from harness.cache import exclusive
from harness.remote.command import Command
from harness.remote.local import LocalRunner
from harness.testbox.dom0 import PREFIX as IMAGE_PREFIX
from harness.testbox.dom0 import Dom0Image
from harness.testbox.paths import base_directory
from harness.testbox.warm import PREFIX as WARM_PREFIX
from harness.testbox.warm import SavedState

HALF_MADE = 3600.0
"""Seconds after which a warm state without a seal is taken for left behind."""


def prune(runner: LocalRunner, keep: Dom0Image, now: float) -> list[str]:
    """Remove what *keep* has replaced; the names of what went.

    What a testbox's disks rest on stays: QEMU's own word for it (the backing chain of its
    files) is asked, and not what somebody once wrote down. *now* is the time since the epoch.
    """
    base = base_directory()
    release = str(keep.manifest["release"])
    with exclusive(base / "prune.lock", what="removing old images"):
        used = {name for run in (base / "run").glob("*/") for name in resting_on(runner, run)}
        gone = [
            path
            for path in base.glob(f"{WARM_PREFIX}*/")
            if path.name not in used and _outdated(runner, path, keep, release, now)
        ]
        for path in gone:
            shutil.rmtree(path, ignore_errors=True)
        for warm in base.glob(f"{WARM_PREFIX}*/"):
            used |= resting_on(runner, warm)
        old = [
            path
            for path in base.glob(f"{IMAGE_PREFIX}{release}-*/")
            if path.name not in used | {keep.name}
        ]
        for path in old:
            shutil.rmtree(path, ignore_errors=True)
    return [path.name for path in (*gone, *old)]


def resting_on(runner: LocalRunner, directory: Path) -> set[str]:
    """The names of the directories that the disks in *directory* rest on."""
    names: set[str] = set()
    for disk in directory.glob("*.qcow2"):
        # -U: it may be in use just now.
        command = ("qemu-img", "info", "-U", "--backing-chain", "--output=json", disk)
        done = runner.run(Command.of(*command), check=False)
        chain = json.loads(done.stdout) if done.ok else []
        names |= {Path(link["filename"]).parent.name for link in chain}
    return names - {directory.name}


def _outdated(runner: LocalRunner, warm: Path, keep: Dom0Image, release: str, now: float) -> bool:
    below = resting_on(runner, warm)
    images = {name for name in below if name.startswith(f"{IMAGE_PREFIX}{release}-")}
    if images:
        return keep.name not in images
    # No disks yet: somebody is booting it just now, or was killed over it.
    sealed = SavedState(directory=warm, key="").sealed
    return not sealed and now - warm.stat().st_mtime > HALF_MADE
