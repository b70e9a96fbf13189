"""Which kernel package of a distribution a name means. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from harness.dists.model import Dist, Kernel

DEFAULT_KERNEL = "default"
"""The kernel that a dist's table names first."""
DOM0_KERNEL = "dom0"
"""The host's own kernel and initramfs, as osstest and xen-create-image use them."""
_VERSION = re.compile(r"\d[\w.+~]*(?:-[\d.]+)?")


@dataclass(frozen=True, kw_only=True)
class KernelChoice:
    """A *flavour* of the dist's table, and the *package* of it to install."""

    flavour: Kernel
    package: str

    def for_apt(self, arch: str) -> str:
        """The package's name in a user land of *arch*: with its own architecture, if another."""
        return self.package if self.flavour.arch == arch else f"{self.package}:{self.flavour.arch}"


@cache
def match_kernel(dist: Dist, arch: str, wanted: str) -> KernelChoice | None:
    """What *wanted* means: `DEFAULT_KERNEL`, a flavour, or a version with its flavour, as the
    package's name ends: ``6.1.0-50-cloud-amd64``. None: *dist* has no such kernel for *arch*.
    """
    flavours = dist.kernels_for(arch)
    if wanted == DEFAULT_KERNEL:
        return next((_whole(flavour) for flavour in flavours), None)
    for flavour in flavours:
        if flavour.flavour == wanted:
            return _whole(flavour)
    # The longest ending first: "-cloud-amd64" ends with "-amd64", too.
    for flavour in sorted(flavours, key=lambda one: len(one.package), reverse=True):
        version = wanted.removesuffix(flavour.versioned("").removeprefix("linux-image-"))
        if version != wanted and _VERSION.fullmatch(version):
            return KernelChoice(flavour=flavour, package=flavour.versioned(version))
    return None


def _whole(flavour: Kernel) -> KernelChoice:
    return KernelChoice(flavour=flavour, package=flavour.package)
