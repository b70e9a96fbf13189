"""What was under test in a job, by tree: what runs are compared by, and more for people."""

from __future__ import annotations

from collections.abc import Iterable

from harness.results.model import ImageFacts, JobResult
from harness.results.revisions import IMAGE, tested
from harness.store.limits import LONGEST

GUEST_KERNEL = "guest-kernel"
MIRROR = "mirror"


def for_people(job: JobResult, images: Iterable[ImageFacts]) -> dict[str, str]:
    """The guest's kernel and the mirror's state, as far as they are known.

    Runs are not compared by them: the image's key stands for both, and of a guest that did not
    boot nobody knows the kernel.
    """
    image = image_of(job, images)
    found = {
        GUEST_KERNEL: job.runvars.get("guest_kernel"),
        MIRROR: mirror_state(image) if image else None,
    }
    # What a guest says of itself may be of any length, and these stand in an index.
    return {tree: revision[:LONGEST] for tree, revision in found.items() if revision}


def image_of(job: JobResult, images: Iterable[ImageFacts]) -> ImageFacts | None:
    """The image that *job* ran, if that can be told."""
    known = list(images)
    key = tested(job, None, known).get(IMAGE)
    return next((image for image in known if image.key == key), None)


def mirror_state(image: ImageFacts) -> str | None:
    """The mirror's Release files by their dates: ``main 2026-07-11T10:16:37Z, security ...``."""
    dates = sorted(image.release_dates.items())
    return ", ".join(f"{pocket} {at:%Y-%m-%dT%H:%M:%SZ}" for pocket, at in dates) or None
