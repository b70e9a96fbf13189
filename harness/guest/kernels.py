"""Which kernel package an image gets: from what a flight says, and the dist's table."""

from __future__ import annotations

from harness.dists.kernels import DEFAULT_KERNEL, DOM0_KERNEL, KernelChoice, match_kernel
from harness.dists.model import Dist, Kernel
from harness.errors import UsageError


def choose_kernel(dist: Dist, arch: str, wanted: str) -> KernelChoice:
    """What *wanted* means, as `match_kernel` has it, or ``dom0``.

    With ``dom0`` the image is the default one: the job then shares it with all others, its boot
    menu still names a kernel that is there, and no second image of the same user land is built
    and sent. `UsageError` lists what there is.
    """
    flavours = dist.kernels_for(arch)
    if not flavours:
        known = ", ".join(dist.arches)
        msg = f"{dist.title} has no architecture {arch!r}; it can be built for: {known}"
        raise UsageError(msg)
    found = match_kernel(dist, arch, DEFAULT_KERNEL if wanted == DOM0_KERNEL else wanted)
    if found:
        return found
    names = ", ".join(flavour.flavour for flavour in flavours)
    msg = (
        f"{dist.title} on {arch} has no kernel {wanted!r}; write {DEFAULT_KERNEL}, {DOM0_KERNEL}, "
        f"a flavour ({names}), or a version with its flavour, as in {_example(flavours[0])}"
    )
    raise UsageError(msg)


def _example(flavour: Kernel) -> str:
    return flavour.versioned("6.1.0-50").removeprefix("linux-image-")
