"""Where a testbox keeps its files."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.cache import cache_root
from harness.errors import LabError
from harness.testbox.qemu import Files

QMP_LOCK = ".qmp-lock"


@dataclass(frozen=True)
class TestboxPaths:
    """The directory of one named testbox."""

    __test__ = False  # pytest would take the name for a test class

    name: str

    @property
    def top(self) -> Path:
        """The directory itself."""
        return cache_root() / "testbox" / "run" / self.name

    @property
    def lock(self) -> Path:
        """Held while it is started, stopped or rebuilt."""
        return cache_root() / "testbox" / "run" / f"{self.name}.lock"

    @property
    def record(self) -> Path:
        """What runs (`InstanceRecord`)."""
        return self.top / "instance.json"

    @property
    def qemu_log(self) -> Path:
        """QEMU's own words."""
        return self.top / "qemu.log"

    @property
    def files(self) -> Files:
        """The files QEMU has open."""
        sockets = _socket_directory()
        # A socket's path may have at most 107 bytes, and home directories can be deep.
        short = hashlib.sha256(str(self.top).encode()).hexdigest()[:12]
        return Files(
            root=self.top / "root.qcow2",
            volumes=self.top / "volumes.qcow2",
            qmp=sockets / f"{short}.qmp",
            serial=sockets / f"{short}.serial",
            console_log=self.top / "console.log",
        )

    @property
    def sockets(self) -> tuple[Path, ...]:
        """What it has outside its directory."""
        files = self.files
        return files.qmp, files.qmp.with_suffix(QMP_LOCK), files.serial


def kvm_failure() -> Path:
    """Where it is written down that KVM does not work on this machine."""
    return base_directory() / "kvm-failure.txt"


def base_directory() -> Path:
    """Where dom0 images and warm states are kept."""
    return cache_root() / "testbox"


def _socket_directory() -> Path:
    """A directory for sockets that only this user can enter."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK):
        directory = Path(runtime) / "xenflight"
    else:
        directory = Path(tempfile.gettempdir()) / f"xenflight-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        msg = f"{directory} belongs to somebody else or is open to others"
        raise LabError(msg, hint="remove it, or set XDG_RUNTIME_DIR")
    return directory
