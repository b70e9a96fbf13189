"""What was built, written beside the image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.guest.extents import Extent

FORMAT = 2


class DamagedImage(ValueError):
    """A cache entry is not what its manifest says; the message says in what."""


@dataclass(frozen=True, kw_only=True)
class BootFile:
    """A file in the image that the toolstack needs on the host."""

    path: str
    """In the image, absolute."""
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """Without its directory."""
        return Path(self.path).name


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an image holds. Sizes in bytes, times in seconds."""

    key: str
    spec: Mapping[str, Any]
    mirror: Mapping[str, Any]
    """``key``, ``dates`` by pocket, ``omitted`` and ``expired`` pockets."""
    tools: Mapping[str, str]
    packages: Mapping[str, str]
    """Name -> version."""
    kernel: BootFile | None
    """What a direct boot takes out of the image; None when there is nothing fit for that."""
    initrd: BootFile | None
    root_partition: int = 0
    """Number of the partition with the root file system; 0 when the image is one file system."""
    root_offset: int = 0
    """Where the root file system begins, in bytes."""
    seedable: bool = True
    """Whether the root is an ext file system, into which a job's own files can be written."""
    menu: str = ""
    """The text of the boot menu (grub.cfg) that boot loaders read; empty without one."""
    menu_path: str = ""
    """Where it is in the root file system; empty without one."""
    image_size: int
    image_mtime_ns: int
    extents: tuple[Extent, ...]
    build_seconds: float

    @property
    def data_bytes(self) -> int:
        """How much of the image needs to be sent."""
        return sum(extent.length for extent in self.extents)


def dump(manifest: Manifest) -> str:
    """As JSON, with a digest of itself."""
    fields = vars(manifest) | {
        "format": FORMAT,
        "kernel": manifest.kernel and vars(manifest.kernel),
        "initrd": manifest.initrd and vars(manifest.initrd),
        "extents": [[extent.offset, extent.length] for extent in manifest.extents],
    }
    return json.dumps(fields | {"digest": _digest(fields)}, indent=1, sort_keys=True) + "\n"


def load(text: str) -> Manifest:
    """Read what `dump` wrote; `DamagedImage` for anything else."""
    try:
        fields = json.loads(text)
        digest = fields.pop("digest")
        if fields.pop("format") != FORMAT:
            msg = "its manifest has another format"
            raise DamagedImage(msg)
        if digest != _digest(fields | {"format": FORMAT}):
            msg = "its manifest was changed"
            raise DamagedImage(msg)
        for name in ("kernel", "initrd"):
            fields[name] = fields[name] and BootFile(**fields[name])
        fields["extents"] = tuple(Extent(*pair) for pair in fields["extents"])
        return Manifest(**fields)
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        msg = f"its manifest cannot be read: {error}"
        raise DamagedImage(msg) from error


def _digest(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
