"""Build a Debian tree with mmdebstrap, without root, and say how far it is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from harness.guest import customise
from harness.guest.spec import ImageSpec
from harness.progress import Progress
from harness.remote.command import Command

_SUBUID = Path("/etc/subuid")


def mode(uid: int | None = None, subuid: Path = _SUBUID) -> str:
    """``unshare`` for an ordinary user, and for root if root has subordinate ids; else ``root``."""
    if (os.getuid() if uid is None else uid) != 0:
        return "unshare"
    try:
        entries = subuid.read_text().splitlines()
    except OSError:
        entries = []
    return "unshare" if any(line.startswith(("root:", "0:")) for line in entries) else "root"


def mmdebstrap_command(
    spec: ImageSpec, sources: Iterable[str], target: Path, scratch: Path, how: str
) -> Command:
    """Make a tar archive of the tree at *target*, from *sources* (lines of sources.list).

    *scratch* is where the tree stands meanwhile; subordinate users must be able to reach it.
    """
    options = [
        f"--mode={how}",
        "--variant=minbase",
        "--format=tar",
        "--verbose",
        f"--architectures={','.join(spec.arches)}",
        f"--include={','.join(spec.packages)}",
        # Device files cannot be made without root, and the kernel makes them anyway.
        "--skip=output/dev",
        f"--essential-hook={customise.before_kernel(small_initramfs=spec.small_initramfs)}",
        f"--customize-hook={customise.after_packages(spec.layout)}",
    ]
    if spec.slim:
        options += [f"--dpkgopt={text}" for text in customise.SLIM_DPKG_OPTIONS]
    # The cache is on loopback: a proxy of the environment must not be asked for it.
    env = {"TMPDIR": str(scratch), "no_proxy": "127.0.0.1,localhost"}
    return Command((*guard(how), "mmdebstrap", *options, spec.dist, str(target), *sources), env=env)


def guard(how: str) -> tuple[str, ...]:
    """What stands before mmdebstrap: if the harness is killed, it shall end too, and clean up.

    As root it mounts /proc, /sys and parts of /dev into the tree. In a mount namespace of its own
    these go with its last process, also when it is killed: nobody may ever remove a tree with
    this machine's own devices in it.
    """
    words = ("setpriv", "--pdeathsig", "TERM", "--")
    return words if how == "unshare" else (*words, "unshare", "--mount", "--")


def remove_tree(path: Path) -> Command:
    """Remove a tree, as its owners see it; whatever is mounted in it is left alone."""
    return in_user_namespace(Command.of("rm", "-rf", "--one-file-system", "--", path))


def in_user_namespace(command: Command, uid: int | None = None) -> Command:
    """*command* as root of a user namespace in which we are root; as it is if we are root.

    There, files get the owners that the archive names, and our own files stay within reach.
    """
    if (os.getuid() if uid is None else uid) == 0:
        return command
    return Command(
        ("unshare", "--map-auto", "--map-root-user", "--", *command.argv), env=command.env
    )


# What mmdebstrap says when it begins a part, what to tell people, and how much of the whole
# build is done by then (from a build of 25 s with a warm package cache).
_PARTS = (
    ("I: running apt-get update", "reading package lists", 0.02),
    ("I: downloading packages with apt", "downloading essential packages", 0.08),
    ("I: extracting archives", "extracting essential packages", 0.14),
    ("I: installing essential packages", "installing essential packages", 0.18),
    ("I: installing remaining packages", "installing packages", 0.40),
    ("I: running --customize-hook", "customising", 0.88),
    ("I: cleaning package lists", "cleaning", 0.89),
    ("I: creating tarball", "packing", 0.90),
)
END = 0.95
"""How much is done when mmdebstrap has ended."""

_COUNT = re.compile(r"\d+ upgraded, (\d+) newly installed")
_PACKAGE = re.compile(r"(Unpacking|Setting up) (\S+)")


class BuildProgress:
    """Turns mmdebstrap's lines into progress."""

    def __init__(self, tell: Progress) -> None:
        self._tell = tell
        self._text, self._from, self._to = "starting", 0.0, _PARTS[0][2]
        self._steps = self._done = 0
        self.errors: list[str] = []
        """What apt, dpkg and mmdebstrap complained of, in order."""

    def feed(self, line: str) -> None:
        """Take one line of mmdebstrap's output."""
        if line.startswith(("E: ", "Err:", "dpkg: error")):
            self.errors.append(line.strip())
        for number, (begins, text, fraction) in enumerate(_PARTS):
            if line.startswith(begins):
                ends = [part[2] for part in _PARTS[number + 1 :]] or [END]
                self._text, self._from, self._to = text, fraction, ends[0]
                self._steps = self._done = 0
                self._tell(text, fraction)
                return
        if count := _COUNT.match(line):
            self._steps, self._done = 2 * int(count[1]), 0
        elif package := _PACKAGE.match(line):
            self._done += 1
            part = min(1.0, self._done / self._steps) if self._steps else 0.0
            name = package[2].partition(":")[0]
            self._tell(f"{self._text}: {name}", self._from + part * (self._to - self._from))
