"""Which kernel package an image gets: from what a flight says, and the dist's table."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.dists.model import Dist, Kernel
from harness.errors import UsageError

DEFAULT = "default"
DOM0 = "dom0"
_VERSION = re.compile(r"\d[\w.+~]*(?:-[\d.]+)?")


@dataclass(frozen=True, kw_only=True)
class KernelChoice:
    """A *flavour* of the dist's table, and the *package* of it to install."""

    flavour: Kernel
    package: str

    def for_apt(self, arch: str) -> str:
        """The package's name in a user land of *arch*: with its own architecture, if another."""
        return self.package if self.flavour.arch == arch else f"{self.package}:{self.flavour.arch}"


def choose_kernel(dist: Dist, arch: str, wanted: str) -> KernelChoice:
    """What *wanted* means: ``default``, a flavour, ``VERSION-FLAVOUR`` or ``dom0``.

    ``VERSION-FLAVOUR`` is as the package ends: ``6.1.0-50-cloud-amd64``. With ``dom0`` the image
    is the default one: the job then shares it with all others, its boot menu still names a
    kernel that is there, and no second image of the same user land is built and sent.
    `UsageError` lists what there is.
    """
    flavours = dist.kernels_for(arch)
    if not flavours:
        known = ", ".join(dist.arches)
        msg = f"{dist.title} has no architecture {arch!r}; it can be built for: {known}"
        raise UsageError(msg)
    if wanted in (DEFAULT, DOM0):
        return KernelChoice(flavour=flavours[0], package=flavours[0].package)
    for flavour in flavours:
        if flavour.flavour == wanted:
            return KernelChoice(flavour=flavour, package=flavour.package)
    # The longest ending first: "-cloud-amd64" ends with "-amd64", too.
    for flavour in sorted(flavours, key=lambda one: len(one.package), reverse=True):
        version = wanted.removesuffix(flavour.versioned("").removeprefix("linux-image-"))
        if version != wanted and _VERSION.fullmatch(version):
            return KernelChoice(flavour=flavour, package=flavour.versioned(version))
    names = ", ".join(flavour.flavour for flavour in flavours)
    msg = (
        f"{dist.title} on {arch} has no kernel {wanted!r}; write {DEFAULT}, {DOM0}, a flavour "
        f"({names}), or a version with its flavour, as in {_example(flavours[0])}"
    )
    raise UsageError(msg)


def _example(flavour: Kernel) -> str:
    return flavour.versioned("6.1.0-50").removeprefix("linux-image-")
