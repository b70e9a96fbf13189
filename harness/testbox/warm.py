"""A saved state of a booted host, and whether it can still be trusted.

QEMU writes its memory to a file (``migrate exec:``); the disks of that moment are then
frozen and every testbox that resumes gets fresh overlays on them. So any number of them
start from one state, and each starts clean.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from harness.errors import LabError
from harness.remote.command import Command
from harness.remote.local import LocalRunner

PREFIX = "warm-"
MANIFEST = "manifest.json"
NONE = "there is none"


@dataclass(frozen=True, kw_only=True)
class SavedState:
    """A directory with a memory image and the disks that belong to it.

    The manifest is written last, so a half-made directory is not a state.
    """

    directory: Path
    key: str
    """Of all that must be the same for the state to be resumed: dom0 image, QEMU, machine."""

    @property
    def memory(self) -> Path:
        """QEMU's migration stream."""
        return self.directory / "memory.state"

    @property
    def root(self) -> Path:
        """dom0's disk."""
        return self.directory / "root.qcow2"

    @property
    def volumes(self) -> Path:
        """The disk of the volume group."""
        return self.directory / "volumes.qcow2"

    @property
    def boot_log(self) -> Path:
        """What the host's console said while it booted; only a warm state has it."""
        return self.directory / "boot.log"

    def seal(self) -> None:
        """Declare it whole; to be called when all its files are written."""
        facts = {"key": self.key, "digest": _digest(self.memory)}
        temporary = self.directory / (MANIFEST + ".new")
        temporary.write_text(json.dumps(facts), encoding="utf-8")
        temporary.replace(self.directory / MANIFEST)

    def unseal(self) -> None:
        """From now on its disks are written to, so its memory no longer fits them."""
        (self.directory / MANIFEST).unlink(missing_ok=True)

    @property
    def sealed(self) -> bool:
        """Whether it was ever declared whole, and not used up since."""
        return (self.directory / MANIFEST).exists()

    def why_not(self, *, thorough: bool = True) -> str | None:
        """Why it can't be resumed, in words; None when it can.

        *thorough* reads all of its memory file (about half a second).
        """
        try:
            facts = json.loads((self.directory / MANIFEST).read_text(encoding="utf-8"))
            if facts["key"] != self.key:
                return "it was made for another QEMU, machine or dom0 image"
            if thorough and facts["digest"] != _digest(self.memory):
                return "its memory file is damaged"
        except FileNotFoundError as error:
            is_none = Path(error.filename).name == MANIFEST
            return NONE if is_none else f"{Path(error.filename).name} is missing"
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"its manifest is damaged ({error})"
        files = (self.memory, self.root, self.volumes)
        missing = [path.name for path in files if not path.exists()]
        return f"{missing[0]} is missing" if missing else None


def warm_states(base: Path, key: str) -> list[SavedState]:
    """The warm states for *key* below *base*, the newest last; half-made ones first of all.

    Each has a directory of its own and is never replaced in place: running testboxes read
    from the disks of the one they came from.
    """
    found = [SavedState(directory=path, key=key) for path in base.glob(f"{PREFIX}{key}*/")]
    return sorted(found, key=lambda state: (state.sealed, state.directory.stat().st_mtime))


def new_warm_state(base: Path, key: str) -> SavedState:
    """An empty directory for another warm state."""
    directory = base / f"{PREFIX}{key}-{secrets.token_hex(3)}"
    directory.mkdir(parents=True)
    return SavedState(directory=directory, key=key)


def overlay(runner: LocalRunner, backing: Path, new: Path, backing_format: str = "qcow2") -> None:
    """Make *new*, an empty qcow2 on top of *backing*, which must never change again."""
    if not backing.exists():
        msg = f"{backing} is missing"
        raise LabError(msg, hint="`xenflight testbox rebuild` makes it anew")
    new.unlink(missing_ok=True)
    runner.run(
        Command.of(
            "qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F", backing_format, new
        )
    )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").hexdigest()
