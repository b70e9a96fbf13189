"""Golden LVs: one read-only origin per image on each host, made once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from harness.guest.cache import Image
from harness.guest.kernel_files import BootFiles, extract_boot_files
from harness.host.lock import GOLDEN_LOCK, locked
from harness.host.transfer import Transfer
from harness.host.xenhost import XenHost
from harness.progress import Progress
from harness.storage.names import TAG, Role, golden_name, golden_tags, scratch_tags, tag_value
from harness.units import Size, human_size
from harness.wait import Deadline

LOCK_TIMEOUT = timedelta(minutes=15)
REMOVE_TIMEOUT = timedelta(minutes=2)


@dataclass(frozen=True, kw_only=True)
class GoldenVolume:
    """An image on a host, ready for snapshots."""

    name: str
    boot: BootFiles | None
    """None for an image that has no kernel and initramfs to take out."""
    reused: bool
    """Whether it was there already."""


def ensure_golden(
    host: XenHost, image: Image, run: str, transfer: Transfer, progress: Progress
) -> GoldenVolume:
    """The golden LV of *image* on *host*, sent there if it is missing.

    Until it is whole it carries the tags of *run*, so that a killed run's half-made volume
    is reaped like any other leftover; then it changes hands. `LabError` when it can't be had.
    """
    key = image.manifest.key
    name = golden_name(key)
    with locked(host.runner, f"{GOLDEN_LOCK}{key}", Deadline.after(LOCK_TIMEOUT)):
        found = host.volumes.find(name)
        reused = found is not None and tag_value(found.tags, "role") == Role.GOLDEN
        if found and not reused:
            host.volumes.remove(name, Deadline.after(REMOVE_TIMEOUT))
        if not reused:
            amount = human_size(image.manifest.data_bytes)
            progress(f"sending the image to {host.name} ({amount}, {transfer.name})")
            size = Size(image.manifest.image_size)
            device = host.volumes.create_thin(name, size, scratch_tags(run, name))
            transfer.send(image, device)
        boot = None
        if image.manifest.kernel and image.manifest.initrd:
            progress(f"taking kernel and initramfs out of {name}")
            boot = extract_boot_files(host.runner, host.volumes.path(name), image.manifest)
        if not reused:
            # Last: one whose files are not those that were built is for no other flight.
            host.volumes.hand_over(
                name,
                add=golden_tags(key),
                remove=tuple(tag for tag in scratch_tags(run, name) if tag != TAG),
            )
    return GoldenVolume(name=name, boot=boot, reused=reused)
