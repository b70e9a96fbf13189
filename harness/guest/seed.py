"""Write a job's own files into its disk, without mounting it.

debugfs(8) changes the ext4 file system of a block device in user space: nothing can stay mounted,
and dom0's kernel never parses a file system that a guest has written. See docs/adr/0004.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath

from harness.errors import LabError, UsageError
from harness.guest.debugfs import at_offset, is_plain
from harness.guest.fstab import fstab
from harness.remote.command import Command, Runner

APPLY_TIMEOUT = timedelta(minutes=2)

_SAFE_TARGET = re.compile(r"[A-Za-z0-9_@.:+/-]+")

# What debugfs says when it begins, and when there is no old file to remove.
_HARMLESS = re.compile(r"debugfs \d.*|rm: File not found by ext2_lookup.*")


@dataclass(frozen=True, kw_only=True)
class SeedFile:
    """A file to write; one that is there already is replaced. Parents are made, mode 0755.

    Its directory may not be a symbolic link: write ``/usr/lib/x``, not ``/lib/x``.
    """

    path: str
    content: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0

    def __repr__(self) -> str:
        return f"SeedFile({self.path!r}, {len(self.content)} bytes, mode {self.mode:o})"


@dataclass(frozen=True, kw_only=True)
class SeedLink:
    """A symbolic link to make: ``/dev/null`` masks a systemd unit."""

    path: str
    target: str


@dataclass(frozen=True, kw_only=True)
class Seed:
    """All that makes one guest's disk its own."""

    files: tuple[SeedFile, ...] = ()
    links: tuple[SeedLink, ...] = ()
    directories: tuple[tuple[str, int], ...] = ()
    """Paths and their modes: ``("/root/.ssh", 0o700)``."""
    root_hash: str | None = None
    """For root's line of the /etc/shadow that is in the image."""

    @property
    def written(self) -> tuple[str, ...]:
        """The paths of all that it adds or replaces."""
        paths = [file.path for file in self.files] + [link.path for link in self.links]
        return (*paths, _SHADOW) if self.root_hash else tuple(paths)


def guest_seed(
    *,
    host_name: str,
    machine_id: str,
    authorized_keys: Iterable[str],
    host_key: bytes,
    host_key_pub: bytes,
    root_hash: str | None,
    swap_device: str | None = None,
    extra: Iterable[SeedFile] = (),
) -> Seed:
    """What every guest gets: its names, whom it lets in, and how it proves who it is.

    *swap_device*, such as ``/dev/xvdb``, is used from its boot on.
    """
    keys = "".join(f"{key.strip()}\n" for key in authorized_keys)
    hosts = f"127.0.0.1 localhost\n127.0.1.1 {host_name}\n::1 localhost ip6-localhost\n"
    files: tuple[SeedFile, ...] = (
        SeedFile(path="/etc/hostname", content=f"{host_name}\n".encode()),
        SeedFile(path="/etc/hosts", content=hosts.encode()),
        SeedFile(path="/etc/machine-id", content=f"{machine_id}\n".encode(), mode=0o444),
        SeedFile(path="/root/.ssh/authorized_keys", content=keys.encode(), mode=0o600),
        SeedFile(path="/etc/ssh/ssh_host_ed25519_key", content=host_key, mode=0o600),
        SeedFile(path="/etc/ssh/ssh_host_ed25519_key.pub", content=host_key_pub),
    )
    if swap_device:
        files += (SeedFile(path="/etc/fstab", content=fstab(swap_device).encode()),)
    return Seed(files=(*files, *extra), directories=(("/root/.ssh", 0o700),), root_hash=root_hash)


_UNIT_PATIENCE = 90
"""Seconds that systemd waits for a device or a service unless told otherwise
(systemd-system.conf(5)). The device of a console is one."""


def patience(factor: float) -> tuple[SeedFile, ...]:
    """What makes a guest as patient as the harness is on a host that is *factor* times slower.

    Without it systemd gives up waiting for /dev/hvc0 before an emulated HVM guest has got that
    far, and nothing asks for a login. Nothing is written for a host of ordinary speed.
    """
    if factor <= 1:
        return ()
    seconds = round(_UNIT_PATIENCE * factor)
    names = ("DefaultTimeoutStartSec", "DefaultDeviceTimeoutSec")
    text = "[Manager]\n" + "".join(f"{name}={seconds}\n" for name in names)
    return (SeedFile(path="/etc/systemd/system.conf.d/slow-host.conf", content=text.encode()),)


_SHADOW = "/etc/shadow"
_SHADOW_GID = 42  # Debian's base-passwd


@dataclass(frozen=True, kw_only=True)
class SeedPlan:
    """What to send to the host: *staged* files by name, and *commands* for debugfs."""

    staged: dict[str, bytes]
    directories: tuple[str, ...]
    """All that must be there, parents first."""
    commands: str


def seed_plan(seed: Seed) -> SeedPlan:
    """Turn *seed* into debugfs commands. Pure; `UsageError` for a path that debugfs cannot take.

    The commands read the staged files from the current directory of debugfs.
    """
    lines: list[str] = []
    made: dict[str, None] = {}
    items: list[SeedFile | SeedLink] = [*seed.files, *seed.links]
    for path in [*(item.path for item in items), *(f"{path}/x" for path, _ in seed.directories)]:
        for parent in reversed(PurePosixPath(_safe(path)).parents):
            made.setdefault(str(parent))
    lines += [f"sif {path} mode 04{mode:04o}" for path, mode in seed.directories]
    staged: dict[str, bytes] = {}
    files = [(file, f"file{number}") for number, file in enumerate(seed.files)]
    if seed.root_hash:
        file = SeedFile(path=_SHADOW, content=b"", mode=0o640, gid=_SHADOW_GID)
        files.append((file, "shadow.new"))  # made on the host, from the image's own
        staged["root.hash"] = seed.root_hash.encode()
    for file, name in files:
        if name != "shadow.new":
            staged[name] = file.content
        lines += _write_lines(file, name)
    for link in seed.links:
        if not _SAFE_TARGET.fullmatch(link.target):
            msg = f"cannot make a link to {link.target!r}: only plain paths are taken"
            raise UsageError(msg)
        lines += [*_enter(link.path), f"symlink {PurePosixPath(link.path).name} {link.target}"]
    directories = tuple(parent for parent in made if parent != "/")
    return SeedPlan(
        staged=staged, directories=directories, commands="".join(f"{line}\n" for line in lines)
    )


def _enter(path: str) -> list[str]:
    """Go to the directory of *path* and remove the old file: debugfs writes into where it is."""
    place = PurePosixPath(path)
    return [f"cd {place.parent}", f"rm {place.name}"]


def _write_lines(file: SeedFile, staged: str) -> list[str]:
    name = PurePosixPath(file.path).name
    return [
        *_enter(file.path),
        f"write {staged} {name}",
        # Octal with the file type: debugfs sets the whole field.
        f"sif {name} mode 010{file.mode:04o}",
        f"sif {name} uid {file.uid}",
        f"sif {name} gid {file.gid}",
    ]


def _safe(path: str) -> str:
    """*path*, if debugfs reads it as one word and it stays in the image."""
    if not is_plain(path):
        msg = f"cannot seed {path!r}: it must be a plain absolute path (letters, digits, ._@:+-)"
        raise UsageError(msg)
    return path


# Everything in one command, for each costs a round trip to an emulated host. debugfs ends with 0
# whatever happens: what it says on stderr is looked at by `debugfs_errors`. It is asked first
# which directories are there, because its mkdir for one that is (1.47.0) loses an inode.
_APPLY = """\
dev=$1 fs=$2
umask 077
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
tar -xf -
if [ -e root.hash ]; then
    # In the image it may say that it has terabytes; this is 1 MiB.
    (
        ulimit -f 2048
        debugfs -R "dump /etc/shadow shadow.old" "$fs" >&2
    )
    awk -F: -v OFS=: -v hash="$(cat root.hash)" \\
        '$1 == "root" {$2 = hash; found = 1} {print} END {exit !found}' \\
        shadow.old >shadow.new || { echo "no root in the image's /etc/shadow" >&2; exit 1; }
fi
debugfs -f look "$fs" 2>/dev/null | awk '
    /^debugfs: stat / {path = $3; order[++count] = path}
    /^Inode: / {there[path] = 1}
    END {for (i = 1; i <= count; i++) if (!there[order[i]]) print "mkdir " order[i]}' >all
cat commands >>all
debugfs -w -f all "$fs" >/dev/null
sync "$dev"
"""


def apply_seed(runner: Runner, device: str, seed: Seed, offset: int = 0) -> None:
    """Write *seed* into the ext4 file system on *device*, in one command on its host.

    *offset*: where it begins there, in bytes.
    `LabError` with debugfs's own words when any part of it failed; the device is then of no use.
    """
    plan = seed_plan(seed)
    command = Command.script("seed-disk", _APPLY, device, at_offset(device, offset))
    result = runner.run(command, timeout=APPLY_TIMEOUT, stdin=_tar(plan), check=False)
    wrong = debugfs_errors(result.stderr)
    if wrong or not result.ok:
        said = "; ".join(wrong[:3]) or f"exit status {result.exit_status}"
        msg = f"on {runner.name}: seeding {device} failed: {said}"
        raise LabError(msg)


def debugfs_errors(stderr: str) -> list[str]:
    """The lines of debugfs's stderr that tell of a failure."""
    lines = (line.strip() for line in stderr.splitlines())
    return [line for line in lines if line and not _HARMLESS.fullmatch(line)]


def _tar(plan: SeedPlan) -> bytes:
    buffer = io.BytesIO()
    look = "".join(f"stat {path}\n" for path in plan.directories)
    scripts = {"look": look.encode(), "commands": plan.commands.encode()}
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in (plan.staged | scripts).items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
