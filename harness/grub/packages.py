"""Debian packages as sources of documentation: fetched by apt, and unpacked, not installed."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from harness.errors import LabError
from harness.mirror.mirror import machine_mirror
from harness.mirror.signature import keyring
from harness.remote.command import Command, Runner

_TIMEOUT = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package file, and what it says of itself."""

    path: Path
    name: str
    version: str


def look_at(path: Path, runner: Runner) -> Package:
    """The package in the file *path*; `CommandFailed` when it is none."""
    fields = ("Package", "Version")
    said = runner.run(Command.of("dpkg-deb", "--field", path, *fields)).stdout
    values = dict(line.split(": ", 1) for line in said.splitlines() if ": " in line)
    return Package(path=path, name=values["Package"], version=values["Version"])


def fetch(suite: str, names: list[str], directory: Path, runner: Runner) -> list[Package]:
    """Download packages of *suite* from this machine's mirror, whatever suite it runs itself.

    apt gets lists of its own below *directory*, so nothing of the machine's changes. The keys
    are Debian's. `LabError` when there is no mirror, `CommandFailed` when apt cannot.
    """
    for part in ("state/lists/partial", "cache/archives/partial", "files"):
        (directory / part).mkdir(parents=True, exist_ok=True)
    (directory / "state/status").touch()
    sources = directory / "sources.list"
    lines = [
        f"deb [signed-by={keyring()}] {pocket.uri} {pocket.suite} main\n"
        for pocket in machine_mirror().pockets(suite)
    ]
    sources.write_text("".join(lines), encoding="utf-8")
    settings = {
        "Dir::State": directory / "state",
        "Dir::State::status": directory / "state/status",
        "Dir::Cache": directory / "cache",
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        # Root would have a user fetch who may not write here.
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in settings.items())]
    runner.run(Command.of(*apt, "update"), timeout=_TIMEOUT)
    inside = Command.of("env", "-C", directory / "files", *apt, "download", *names)
    runner.run(inside, timeout=_TIMEOUT)
    return [look_at(path, runner) for path in sorted((directory / "files").glob("*.deb"))]


def read(package: Package, pattern: str, directory: Path, runner: Runner) -> tuple[str, str]:
    """The one file of *package* that the glob *pattern* names: its path in there, and its text.

    `LabError` when there is none, or more than one.
    """
    tree = directory / f"{package.name}_{package.version}"
    if not tree.exists():
        directory.mkdir(parents=True, exist_ok=True)
        unpack = Command.of("dpkg-deb", "--extract", package.path, tree)
        runner.run(unpack, timeout=_TIMEOUT)
    found = sorted(path for path in tree.glob(pattern) if path.is_file())
    if len(found) != 1:
        msg = f"{package.path.name} has {len(found)} files {pattern}, and one was expected"
        raise LabError(msg, hint="the package's layout has changed; see harness/grub/table.py")
    content = found[0].read_bytes()
    if found[0].suffix == ".gz":
        content = gzip.decompress(content)
    return str(found[0].relative_to(tree)), content.decode("utf-8", "replace")
