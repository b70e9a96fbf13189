"""A guest's file system, as far as anybody asks: written by the archive that seeds it."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from harness.sim.volumes import Contents

HOSTNAME, SHADOW = "/etc/hostname", "/etc/shadow"
HOST_KEY, AUTHORIZED = "/etc/ssh/ssh_host_ed25519_key.pub", "/root/.ssh/authorized_keys"
MENU = "/boot/grub/grub.cfg"
_LINUX = re.compile(r"^\s*linux\s+\S+\s+(?P<cmdline>.*)$", re.MULTILINE)
_ROOT = re.compile(r"^root:[^:]*", re.MULTILINE)


class BadSeedError(Exception):
    """An archive that cannot be applied; the message is what the real script says."""


@dataclass(frozen=True)
class GuestFiles:
    """What a guest finds on its disk."""

    files: Mapping[str, bytes]

    def text(self, path: str, default: str = "") -> str:
        """A file's text."""
        return self.files[path].decode(errors="replace") if path in self.files else default

    @property
    def hostname(self) -> str:
        """Its name."""
        return self.text(HOSTNAME, "debian").strip()

    @property
    def root_hash(self) -> str:
        """The hash of root's password; empty when there is none."""
        match = _ROOT.search(self.text(SHADOW))
        return match[0].partition(":")[2] if match else ""

    @property
    def menu_cmdline(self) -> str:
        """The kernel line in its boot menu."""
        match = _LINUX.search(self.text(MENU))
        return match["cmdline"] if match else ""


def apply_seed(contents: Contents, archive: bytes) -> None:
    """What the script of `harness.guest.seed` does with debugfs; `BadSeedError` like it."""
    staged = dict(_members(archive))
    if "root.hash" in staged:
        shadow = contents.files.get(SHADOW, b"").decode()
        if not _ROOT.search(shadow):
            msg = "no root in the image's /etc/shadow"
            raise BadSeedError(msg)
        changed = _ROOT.sub(f"root:{staged['root.hash'].decode()}", shadow)
        staged["shadow.new"] = changed.encode()
    folder = PurePosixPath("/")
    for line in staged["commands"].decode().splitlines():
        match line.split():
            case ["cd", path]:
                folder = PurePosixPath(path)
            case ["rm", name]:
                contents.files.pop(str(folder / name), None)
            case ["write", source, name]:
                contents.files[str(folder / name)] = staged[source]
            case ["symlink", name, target]:
                contents.files[str(folder / name)] = target.encode()
            case _:
                pass
    contents.written += len(archive)


def _members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            yield member.name, file.read() if file else b""
