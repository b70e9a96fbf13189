"""Debian's installer for Xen: its kernel and initramfs from a mirror, by a chain of signatures.

``InRelease`` is signed by Debian's archive keys; it has the hash of the installer's ``SHA256SUMS``,
and that has those of the files (the installation guide, "Verifying the integrity").
"""

from __future__ import annotations

import hashlib
import lzma
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from harness.cache import cache_root
from harness.errors import CommandFailed, LabError
from harness.mirror.mirror import Mirror
from harness.mirror.release import fetch
from harness.mirror.signature import keyring as archive_keyring
from harness.remote.command import Command, Runner

_TIMEOUT = timedelta(minutes=1)
_ENTRY = re.compile(
    r"^ ?(?P<sha256>[0-9a-f]{64})\s+(?:\d+\s+)?(?:\./)?(?P<path>\S+)$", re.MULTILINE
)
_FILENAME = re.compile(r"^Filename: (\S+)$", re.MULTILINE)
_SIZE = re.compile(r"^Size: (\d+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Netboot:
    """The installer's two files on the controller, checked."""

    kernel: Path
    initrd: Path
    sha256: tuple[str, str]
    """Of both, as their signed list has them."""


def fetch_netboot(
    mirror: Mirror, suite: str, arch: str, runner: Runner, keyring: Path | None = None
) -> Netboot:
    """The installer of *suite* for PV domains; kept in the cache by what is in it.

    `LabError` when the mirror does not have it, or not all of it, or what it has is not signed.
    """
    dists = f"{mirror.main}/dists/{suite}"
    images = f"main/installer-{arch}/current/images"
    keys = keyring or archive_keyring()
    release = _verified(fetch(f"{dists}/InRelease")[0], runner, keys, f"{dists}/InRelease")
    sums = _checked_fetch(dists, f"{images}/SHA256SUMS", _hashes(release)).decode()
    wanted = _hashes(sums)
    _require_components(mirror, dists, arch, _hashes(release))
    files = [
        _cached(f"{dists}/{images}", f"netboot/xen/{name}", wanted, suite)
        for name in ("vmlinuz", "initrd.gz")
    ]
    return Netboot(kernel=files[0], initrd=files[1], sha256=(files[0].name, files[1].name))


def _verified(raw: bytes, runner: Runner, keyring: Path, url: str) -> str:
    """The text that is signed, and nothing else of the file."""
    with tempfile.TemporaryDirectory(prefix="xenflight-") as folder:
        file = Path(folder, "InRelease")
        file.write_bytes(raw)
        command = Command.of("gpgv", "--keyring", keyring, "--output", "-", file)
        try:
            return runner.run(command, timeout=_TIMEOUT).stdout
        except CommandFailed as error:
            missing = error.exit_status == 127
            why = "gpgv is not installed" if missing else error.stderr.strip()[-300:]
            msg = f"cannot check the signature of {url}: {why}"
            hint = "install Debian's gpgv and debian-archive-keyring"
            raise LabError(msg, hint=hint) from error


def _hashes(text: str) -> dict[str, str]:
    """Path to SHA256, from a Release file or a list of sums; MD5 sums are too short to match."""
    return {match["path"]: match["sha256"] for match in _ENTRY.finditer(text)}


def _checked_fetch(base: str, path: str, hashes: dict[str, str]) -> bytes:
    if path not in hashes:
        msg = f"the mirror's release {base} has no {path}: there is no installer for it"
        raise LabError(msg)
    data = fetch(f"{base}/{path}")[0]
    if hashlib.sha256(data).hexdigest() != hashes[path]:
        msg = f"{base}/{path} is not what its signed list says"
        raise LabError(msg, hint="the mirror is probably being synchronised: try again later")
    return data


def _require_components(mirror: Mirror, dists: str, arch: str, hashes: dict[str, str]) -> None:
    """The installer fetches most of itself in small packages, and some mirrors leave them out.

    The smallest is fetched whole: a cache in between may say yes to a question about any of them.
    """
    path = f"main/debian-installer/binary-{arch}/Packages.xz"
    index = lzma.decompress(_checked_fetch(dists, path, hashes)).decode()
    sizes = (int(size) for size in _SIZE.findall(index))
    smallest = min(zip(sizes, _FILENAME.findall(index), strict=False), default=None)
    if smallest is None:
        msg = f"{dists}/{path} lists no components of the installer"
        raise LabError(msg)
    with _whole_mirror():
        fetch(f"{mirror.main}/{smallest[1]}")


@contextmanager
def _whole_mirror() -> Iterator[None]:
    try:
        yield
    except LabError as error:
        msg = f"the mirror lists Debian's installer, but does not have all of it: {error.message}"
        hint = "does it carry packages only? name a whole one in the flight: `mirror: URL`"
        raise LabError(msg, hint=hint) from error


def _cached(base: str, path: str, hashes: dict[str, str], suite: str) -> Path:
    expected = hashes.get(f"{path}", "")
    if not expected:
        msg = f"{base}/SHA256SUMS has no {path}: {suite} has no installer for Xen"
        raise LabError(msg)
    target = cache_root() / "installer" / expected
    if target.exists() and hashlib.sha256(target.read_bytes()).hexdigest() == expected:
        return target
    with _whole_mirror():
        data = _checked_fetch(base, path, hashes)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        file.write(data)
    Path(file.name).replace(target)
    return target
