"""What an image shall be, and the key that names exactly that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from harness.dists.table import find_dist
from harness.errors import UsageError
from harness.guest import customise
from harness.units import Size

BUILDERS = ("mmdebstrap",)
_SMALLEST = Size.parse("768M")
_USUAL = Size.parse("2G")


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """An image to build: a bare ext4 file system with a kernel and an initramfs in it."""

    dist: str
    arch: str = "amd64"
    size: Size = _USUAL
    builder: str = "mmdebstrap"
    extra_packages: tuple[str, ...] = ()
    small_initramfs: bool = True
    """Only Xen's and virtio's block drivers and ext4, instead of everything: `xl create` unpacks
    it, under emulation in a testbox. Off: as Debian makes it for any machine."""
    slim: bool = True
    """Without manual pages, translations and documentation, as in container images."""

    def __post_init__(self) -> None:
        find_dist(self.dist)
        if self.builder not in BUILDERS:
            msg = f"unknown builder {self.builder!r}; known are: {', '.join(BUILDERS)}"
            raise UsageError(msg)
        if self.size < _SMALLEST:
            msg = f"an image of {self.size} is too small: {self.dist} needs {_SMALLEST} or more"
            raise UsageError(msg)

    @property
    def packages(self) -> tuple[str, ...]:
        """All packages asked for by name, each once."""
        dist = find_dist(self.dist)
        return tuple(
            dict.fromkeys(
                [*dist.packages, dist.kernels_for(self.arch)[0].package, *self.extra_packages]
            )
        )

    def as_json(self) -> dict[str, object]:
        """For a manifest."""
        fields = asdict(self) | {"size": int(self.size)}
        fields["extra_packages"] = list(self.extra_packages)
        return fields


def content_key(spec: ImageSpec, mirror_key: str, tools: Mapping[str, str]) -> str:
    """A name for exactly this content: 16 hexadecimal digits.

    Over everything that goes in: *spec*, its packages, the texts of the hooks, the state of the
    mirror, and the versions of the *tools* that build it.
    """
    everything = {
        "spec": spec.as_json(),
        "packages": spec.packages,
        "hooks": [
            customise.before_kernel(small_initramfs=spec.small_initramfs),
            customise.after_packages(),
            customise.SLIM_DPKG_OPTIONS if spec.slim else (),
        ],
        "mirror": mirror_key,
        "tools": dict(sorted(tools.items())),
    }
    text = json.dumps(everything, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
