"""A QEMU without the faults of its emulated AMD-V, built out of Debian's source into the cache.

What is wrong with Debian's own, and what is done about it: docs/adr/0011.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from harness.cache import cache_root, content_key, exclusive
from harness.errors import LabError
from harness.progress import Progress
from harness.remote.command import Command
from harness.remote.local import LocalRunner

SCRIPT = Path(__file__).parent / "mend" / "build"
PATCH = SCRIPT.parent / "qemu-7.2.patch"
BUILD_TIMEOUT = timedelta(hours=2)
_COUNT = re.compile(r"compiling (\d+)/(\d+)")


def mended_program() -> Path:
    """Where the mended QEMU is, once it has been built; by the content of what it is built by."""
    key = content_key(SCRIPT.read_bytes(), PATCH.read_bytes())
    return cache_root() / "qemu" / key / "qemu-system-x86_64"


def build_mended(runner: LocalRunner, progress: Progress) -> Path:
    """Build it, unless that has been done; `LabError` with the script's own words when it fails."""
    program = mended_program()
    program.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(program.parent / "lock", what="building the mended QEMU"):
        if not program.exists():
            command = Command.of(SCRIPT, program.parent)
            done = runner.run_with_lines(command, _Teller(progress), BUILD_TIMEOUT, check=False)
            if not done.ok:
                said = [line for line in done.stderr.splitlines() if line.strip()]
                why = said[-1].removeprefix("error: ") if said else "it said nothing"
                msg = f"the mended QEMU could not be built: {why}"
                raise LabError(msg)
    return program


class _Teller:
    """Turns the script's lines into progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __call__(self, line: str) -> None:
        if count := _COUNT.match(line):
            self._progress("compiling QEMU", int(count[1]) / int(count[2]))
        elif line.strip():
            self._progress(line.strip())
