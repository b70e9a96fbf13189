"""Which of a distribution's kernels a job means."""

from __future__ import annotations

from functools import cache

from harness.dists.kernels import DOM0_KERNEL, match_kernel
from harness.dists.model import Dist, Kernel
from harness.dists.table import TABLE
from harness.flight.axes import Boot, Builder
from harness.flight.model import JobSpec


def known_dist(job: JobSpec) -> Dist | None:
    """What is known of the job's distribution; None for an imported image of any other."""
    return TABLE.get(job.dist)


def kernel_of(job: JobSpec) -> Kernel | None:
    """The kernel that *job* boots, if it is one of its distribution's.

    None for one of the host's own, for a distribution of which nothing is known, and for a
    kernel that the distribution does not have.
    """
    if from_dom0(job):
        return None
    if job.builder.on_host:
        return _native(job.dist, job.arch)
    found = known_dist(job)
    choice = match_kernel(found, job.arch, job.kernel) if found else None
    return choice.flavour if choice else None


def from_dom0(job: JobSpec) -> bool:
    """Whether the kernel is a file in dom0: asked for, or always so with xen-create-image when
    the toolstack loads it."""
    direct = job.builder is Builder.XEN_CREATE_IMAGE and job.boot is Boot.DIRECT
    return direct or job.kernel == DOM0_KERNEL


def is_version(kernel: str) -> bool:
    """Whether *kernel* names one version: ``6.1.0-50-cloud-amd64``, but not ``686-pae``."""
    return "." in kernel and kernel[0].isdigit()


@cache
def _native(dist: str, arch: str) -> Kernel | None:
    """What xen-tools (hooks/debian/80-install-kernel) and Debian's installer put in by
    themselves: the architecture's own ordinary kernel, the last of those listed."""
    found = TABLE.get(dist)
    kernels = [k for k in found.kernels_for(arch) if k.arch == arch] if found else []
    return kernels[-1] if kernels else None
