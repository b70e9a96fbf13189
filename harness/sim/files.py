"""The files of a simulated host's dom0, as far as the harness makes or reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.guest.kernel_files import BOOT_DIR
from harness.host.evict import USES
from harness.host.health import HISTORY
from harness.host.lend import LOCK as NBD_LOCK
from harness.host.lock import GOLDEN_LOCK, LOCK_DIRECTORY
from harness.host.slots import DRAIN_FILE, SLOT_DIRECTORY
from harness.job.canary import LOCK as CANARY_LOCK
from harness.job.knowngood import RECORD
from harness.sim.clock import SimClock

_FOR_ALL = (
    *(f"{USES}/", HISTORY, RECORD, DRAIN_FILE),
    *(f"{LOCK_DIRECTORY}/{GOLDEN_LOCK}", f"{LOCK_DIRECTORY}/{CANARY_LOCK}"),
    NBD_LOCK,
)
"""What flights leave to those after them."""


@dataclass(frozen=True, kw_only=True)
class File:
    """A file, and when it was written: seconds since 1970."""

    data: bytes
    time: int


class Files:
    """Files by path; directories are there while something is in them, or were made."""

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock
        self._files: dict[str, File] = {}
        self.directories: set[str] = set()

    def write(self, path: str, data: bytes = b"") -> None:
        """A new file, or new contents for an old one."""
        self._files[path] = File(data=data, time=int(self._clock.time_of_day()))

    def read(self, path: str) -> bytes | None:
        """What is in it; None when it is not there."""
        found = self._files.get(path)
        return found.data if found else None

    def time(self, path: str) -> int:
        """When it was written."""
        return self._files[path].time

    def make(self, directory: str) -> None:
        """A directory."""
        self.directories.add(directory.rstrip("/"))

    def exists(self, path: str) -> bool:
        """Whether there is a file or a directory of that name."""
        return path in self._files or path in self.directories

    def remove(self, path: str) -> None:
        """A file, or a directory with all in it; well if there is none."""
        self._files.pop(path, None)
        self.forget(path)

    def forget(self, directory: str) -> None:
        """All in a directory, and itself."""
        inside = f"{directory}/"
        self._files = {
            path: file for path, file in self._files.items() if not path.startswith(inside)
        }
        self.directories = {one for one in self.directories if not f"{one}/".startswith(inside)}

    def below(self, directory: str) -> Iterator[str]:
        """The paths of all files in it, and in directories in it."""
        yield from (path for path in sorted(self._files) if path.startswith(f"{directory}/"))

    def entries(self, directory: str) -> list[str]:
        """What `ls` shows of a directory."""
        inside = f"{directory}/"
        paths = [*self._files, *self.directories]
        return sorted({one[len(inside) :].split("/")[0] for one in paths if one.startswith(inside)})

    def owned(self) -> list[str]:
        """What should go with a flight: not logs, golden images' files, or who had which slot."""
        stays = ("/var/log/", "/proc/", f"{BOOT_DIR}/", f"{SLOT_DIRECTORY}/", *_FOR_ALL)
        found = [one for one in self._files if not one.startswith(stays)]
        return sorted([*found, *(one for one in self.directories if "/flights/" in one)])
