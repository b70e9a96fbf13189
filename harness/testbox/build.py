"""Building dom0's disk: Debian with Xen, from the machine's own apt sources, without root."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import resources
from pathlib import Path

from harness.cache import content_key
from harness.errors import LabError
from harness.guest.ext4 import MAKE_EXT4, UNPACK_TREE
from harness.guest.mmdebstrap import BuildProgress, guard, in_user_namespace, mode, remove_tree
from harness.mirror.mirror import source_line
from harness.mirror.opening import open_mirror
from harness.progress import Progress
from harness.remote.command import Command
from harness.remote.keys import make_keypair
from harness.remote.local import LocalRunner
from harness.testbox.releases import Dom0Release
from harness.units import Size

ROOT_SIZE = Size.parse("4G")
BUILD_TIMEOUT = timedelta(minutes=30)
REMOVE_TIMEOUT = timedelta(minutes=3)
RECIPE_VERSION = "1"
"""To be raised when the steps below change, so that images are built anew."""

_DATA = Path(str(resources.files("harness.testbox") / "dom0"))
_EARLY = ("etc/initramfs-tools/", "usr/share/initramfs-tools/")
"""Needed before the kernel's package makes its initrd."""


def recipe_key(release: Dom0Release, data: Path = _DATA) -> str:
    """The key of all that we decide about a dom0 image."""
    config = [f"{path.relative_to(data)}\0{path.read_text()}" for path in _data_files(data)]
    return content_key(
        RECIPE_VERSION, release.name, str(ROOT_SIZE), *sorted(release.packages), *config
    )


def _data_files(data: Path = _DATA) -> list[Path]:
    return sorted(path for path in data.rglob("*") if path.is_file())


def build_image(release: Dom0Release, runner: LocalRunner, progress: Progress, work: Path) -> Path:
    """Make the files of a `Dom0Image` in a directory below *work*, which is empty, and give it.

    `LabError` (or its `CommandFailed`) says what could not be had.
    """
    _check_tools()
    began = time.monotonic()
    progress(f"probing the mirror for {release.name}", 0.0)
    mirror = open_mirror(release.name, runner)
    image = work / "image"
    image.mkdir()
    host_key = make_keypair(work / "ssh_host_ed25519_key")
    user_key = make_keypair(image / "id_ed25519")
    overlays = _overlays(work, user_key)
    sources = [source_line(pocket) for pocket in mirror.seen_from().pockets(release.name)]
    _bootstrap(release, runner, progress, work, sources, overlays)
    progress("making the disk", 0.92)
    _extract_boot_files(work / "root.tar", image)
    make_image(runner, work / "root.tar", image / "root.img", ROOT_SIZE)
    manifest = {
        "release": release.name,
        "xen": release.xen,
        "packages": _packages(work / "root.tar"),
        "release_dates": mirror.snapshot.dates,
        "host_key": host_key,
        "user_key": user_key,
        "seconds": round(time.monotonic() - began, 1),
    }
    (image / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return image


def _bootstrap(
    release: Dom0Release,
    runner: LocalRunner,
    progress: Progress,
    work: Path,
    sources: list[str],
    overlays: tuple[Path, Path],
) -> None:
    early, full = overlays
    argv: tuple[object, ...] = (
        *guard(mode()),
        *("mmdebstrap", "--variant=minbase", "--format=tar", "--verbose"),
        f"--include={','.join(release.packages)}",
        f"--essential-hook=tar-in {early} /",
        f"--customize-hook=tar-in {full} /",
        '--customize-hook=chroot "$1" sh /setup.sh && rm "$1/setup.sh"',
        release.name,
        work / "root.tar",
        *sources,
    )
    told = BuildProgress(progress)
    with scratch(runner, f"xenflight-dom0-{os.getuid()}-{recipe_key(release)}-") as place:
        # The cache is on loopback: a proxy of the environment must not be asked for it.
        env = {"TMPDIR": str(place), "no_proxy": "127.0.0.1,localhost"}
        command = Command(tuple(map(str, argv)), env=env)
        done = runner.run_with_lines(command, told.feed, BUILD_TIMEOUT, check=False)
    if not done.ok:
        said = "; ".join(told.errors[-3:]) or done.stderr.strip()[-300:] or "it said nothing"
        msg = f"mmdebstrap could not build a dom0 of {release.name}: {said}"
        raise LabError(msg)


@contextmanager
def scratch(runner: LocalRunner, prefix: str) -> Iterator[Path]:
    """A directory for mmdebstrap to unpack in, as user ids that are not ours.

    So it is never below a home directory, which may be closed to others, nor in a /tmp that is
    memory. What builds of that *prefix* left when they were killed goes first: call it with the
    build's lock held.
    """
    parent = Path(os.environ.get("TMPDIR", "/var/tmp"))
    for left in parent.glob(f"{prefix}*"):
        if left.lstat().st_uid == os.getuid() and not left.is_symlink():
            _remove(runner, left)
    place = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    place.chmod(0o755)
    try:
        yield place
    finally:
        _remove(runner, place)


def _remove(runner: LocalRunner, tree: Path) -> None:
    """Parts of it may belong to our subordinate users; a leftover is no reason to fail."""
    runner.run(remove_tree(tree), timeout=REMOVE_TIMEOUT, check=False)


def _overlays(work: Path, user_key: str) -> tuple[Path, Path]:
    """The configuration as two tar files: what the kernel's package needs, and all of it."""
    rootfs = _DATA / "rootfs"
    files = {
        str(path.relative_to(rootfs)): path.read_bytes()
        for path in _data_files()
        if path.is_relative_to(rootfs)
    }
    early = {name: data for name, data in files.items() if name.startswith(_EARLY)}
    files["setup.sh"] = (_DATA / "setup.sh").read_bytes()
    files["root/.ssh/authorized_keys"] = f"{user_key}\n".encode()
    for name in ("ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"):
        files[f"etc/ssh/{name}"] = (work / name).read_bytes()
    return _tar(work / "early.tar", early), _tar(work / "full.tar", files)


def _tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in sorted(files.items()):
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            info.mode = 0o600 if name.endswith("_key") else 0o644
            archive.addfile(info, io.BytesIO(data))
    return path


def _extract_boot_files(tar: Path, image: Path) -> None:
    """Take Xen, kernel and initrd out; QEMU's loader wants Xen unpacked."""
    wanted = {
        "xen": re.compile(r"\./boot/xen-[\d.]+-amd64\.gz"),
        "vmlinuz": re.compile(r"\./boot/vmlinuz-.*"),
        "initrd.img": re.compile(r"\./boot/initrd\.img-.*"),
    }
    with tarfile.open(tar) as archive:
        for member in archive:
            for name, pattern in wanted.items():
                stream = archive.extractfile(member) if pattern.fullmatch(member.name) else None
                if stream:
                    data = stream.read()
                    unpacked = gzip.decompress(data) if name == "xen" else data
                    (image / name).write_bytes(unpacked)
    missing = [name for name in wanted if not (image / name).exists()]
    if missing:
        msg = f"the new dom0 has no {missing[0]} in /boot"
        raise LabError(msg, hint="did its kernel or hypervisor package change its files' names?")


def _packages(tar: Path) -> dict[str, str]:
    with tarfile.open(tar) as archive:
        stream = archive.extractfile("./etc/xenflight/packages")
        text = stream.read().decode() if stream else ""
    return dict(line.split(" ", 1) for line in text.splitlines())


_MAKE_IMAGE = f"""\
{UNPACK_TREE}{MAKE_EXT4}
unpack_tree "$1" "$2"
truncate -s "$4" "$3"
make_ext4 "$2" "$3" 0 "$(($4 / 1024))" dom0
rm -rf "$2"
"""


def make_image(runner: LocalRunner, tar: Path, image: Path, size: Size) -> None:
    """Make a raw ext4 image of *tar*, without root and without a mount."""
    words = ("sh", "-ec", _MAKE_IMAGE, "sh", tar, tar.with_suffix(".tree"), image, int(size))
    runner.run(in_user_namespace(Command.of(*words)), timeout=BUILD_TIMEOUT)


def _check_tools() -> None:
    for tool, package in (("mmdebstrap", "mmdebstrap"), ("mke2fs", "e2fsprogs")):
        # mke2fs stands in /usr/sbin, which an ordinary user's PATH may not name.
        if not shutil.which(tool) and not Path(f"/usr/sbin/{tool}").exists():
            msg = f"{tool} is not installed"
            raise LabError(msg, hint=f"apt install {package}")
