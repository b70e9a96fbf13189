"""Room on the disk: asked for before work that needs it."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.errors import LabError
from harness.units import Size, human_size


def require_space(directory: Path, need: Size, what: str) -> None:
    """`LabError` with both numbers when *directory*'s file system has less than *need* free."""
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    if free >= need:
        return
    msg = f"{what} needs {human_size(need)}, and {directory} has only {human_size(free)} free"
    raise LabError(msg, hint="make room, or set XDG_CACHE_HOME to a larger disk")


def used_space(*places: Path) -> int:
    """Bytes that files and directories really take on the disk; holes take none."""
    files = [path for place in places for path in (place, *place.rglob("*"))]
    return sum(path.lstat().st_blocks * 512 for path in files if path.exists())
