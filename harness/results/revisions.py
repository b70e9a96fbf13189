"""What a job tested: the revisions by which two runs are told to be runs of the same."""

from __future__ import annotations

from collections.abc import Iterable

from harness.cache import content_key
from harness.results.model import FlightResult, HostFacts, ImageFacts, JobResult
from harness.results.rules import host_of

XEN = "xen"
DOM0_KERNEL = "dom0-kernel"
IMAGE = "image"
DEFINITION = "definition"
DEFINED = ("memory", "vcpus", "disk", "kernel_args", "packages")
"""The runvars that a flight file gives (osstest: definition), as harness/plugin/header.py has them.
What a step stored is known of those runs only that got so far."""


def revisions_of(flight: FlightResult, job: JobResult) -> dict[str, str]:
    """The revisions of *job*; what is not known is left out.

    Only what is known before a guest runs: a run that failed early must have the same revisions
    as one that passed. A job whose definition was changed, its kernel's arguments say, tests
    something else, whatever it is called. An image's key stands for all that went into it, its
    kernel and the state of the mirror too (docs/images.md). Where no runvar says which of several
    images for its dist and architecture a job had, all of them count.
    """
    return tested(job, host_of(flight.hosts, job), flight.images)


def tested(job: JobResult, host: HostFacts | None, images: Iterable[ImageFacts]) -> dict[str, str]:
    """The same of a job whose flight is not over."""
    found: dict[str, str] = {}
    if host and host.xen_version:
        found[XEN] = host.xen_version
    if host and host.dom0_kernel:
        found[DOM0_KERNEL] = host.dom0_kernel
    mine = (image for image in images if (image.dist, image.arch) == (job.dist, job.arch))
    if key := job.runvars.get(IMAGE) or "+".join(sorted({image.key for image in mine})):
        found[IMAGE] = key
    if given := [f"{name}={job.runvars[name]}" for name in DEFINED if name in job.runvars]:
        found[DEFINITION] = content_key(*given)
    return found
