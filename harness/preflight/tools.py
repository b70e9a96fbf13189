"""The programs that read images, and what to install when one is missing."""

from __future__ import annotations

from datetime import timedelta

from harness.errors import LabError
from harness.remote.command import Command, CommandResult, Runner
from harness.remote.outcome import NOT_FOUND

TIMEOUT = timedelta(minutes=5)
"""For one look at an image. A damaged file system may send a program round and round."""

PACKAGES = {
    "sfdisk": "fdisk",
    "blkid": "util-linux",
    "debugfs": "e2fsprogs",
    "mdir": "mtools",
    "mcopy": "mtools",
    "qemu-img": "qemu-utils",
    "zstd": "zstd",
    "lz4": "lz4",
    "lzop": "lzop",
}
"""Program -> Debian package."""


def look(
    runner: Runner, *argv: object, check: bool = True, timeout: timedelta = TIMEOUT
) -> CommandResult:
    """Run one of `PACKAGES`; `LabError` says which package brings it when it is not there."""
    command = Command.of(*argv)
    result = runner.run(command, timeout=timeout, check=False)
    if result.exit_status == NOT_FOUND:
        program = command.argv[0]
        msg = f"images cannot be inspected without {program}"
        raise LabError(msg, hint=f"install {PACKAGES.get(program, program)}")
    return result.check() if check else result
