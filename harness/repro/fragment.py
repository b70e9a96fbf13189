"""A planned job written back as a flight file, which plans to that job and to no other."""

from __future__ import annotations

import re
from typing import Any

import yaml

from harness.errors import UsageError
from harness.flight.axes import Accept, Builder
from harness.flight.model import DEFAULT_TIMEOUTS, ImageSource, JobSpec, MirrorSpec

_LONGEST = 40
"""Letters in the name of a flight."""
_SUFFIX = "-repro"
_ODD = re.compile(r"[^a-z0-9]+")


def flight_name(flight: str) -> str:
    """What the flight in a bundle is called: not like the one it comes from, whose history it must
    not be taken for."""
    words = _ODD.sub("-", flight.lower()).strip("-")
    named = words if words[:1].isalpha() else f"flight-{words}".rstrip("-")
    return named[: _LONGEST - len(_SUFFIX)].rstrip("-") + _SUFFIX


def fragment(flight: str, job: JobSpec) -> str:
    """A flight file with *job* only; *flight* is the name of the one it was in.

    `UsageError` for a job that can't be run by itself: it was skipped.
    """
    if job.skip:
        msg = f"{job.name} can't be: {job.skip}"
        raise UsageError(msg, hint="there is nothing to reproduce of a job that was skipped")
    data = {
        "flight": flight_name(flight),
        "description": f"The job {job.name} of the flight {flight}, by itself.",
        "jobs": [_settings(job)],
    }
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


def _settings(job: JobSpec) -> dict[str, Any]:
    """All that makes it, whatever the usual values are by then."""
    found: dict[str, Any] = {
        **{name: str(getattr(job, name)) for name in ("dist", "arch", "virt", "boot")},
        **({"variant": suffix} if (suffix := _suffix(job)) else {}),
        **{name: str(getattr(job, name)) for name in ("suite", "builder", "kernel", "layout")},
        "memory": str(job.memory),
        "vcpus": job.vcpus,
        "disk": str(job.disk),
        "disk_format": str(job.disk_format),
        "toolstack": str(job.toolstack),
        "devices": str(job.devices),
        "swap": str(job.swap) if job.swap is not None else "none",
        "extra_disks": [str(size) for size in job.extra_disks],
        "kernel_args": job.kernel_args,
        "packages": list(job.packages),
        "mirror": _mirror(job.mirror),
        "timeouts": {
            phase: time.total_seconds()
            for phase, time in job.timeouts.items()
            if time != DEFAULT_TIMEOUTS.get(phase)
        },
    }
    if job.neighbour:
        found["neighbour"] = str(job.neighbour)
    if job.peer:
        found["peer"] = str(job.peer)
    if job.passthrough:
        found["passthrough"] = True
    if job.image:
        found["image"] = _image(job.image)
    if job.builder is Builder.XEN_CREATE_IMAGE:
        found["builder_options"] = {
            name: True if value is None else value for name, value in job.builder_options
        }
    return {name: value for name, value in found.items() if value not in ([], {}, "")}


def _suffix(job: JobSpec) -> str:
    """What the matrix and the variant put at the end of its name."""
    cell = "-".join((job.suite, job.dist, job.arch, job.virt, job.boot))
    return job.name.removeprefix(cell).removeprefix("-")


def _mirror(mirror: MirrorSpec) -> dict[str, Any]:
    found: dict[str, Any] = {"url": mirror.url or "auto"}
    if mirror.accept_expired:
        found["accept"] = [str(Accept.EXPIRED)]
    if mirror.omit:
        found["omit"] = [str(pocket) for pocket in mirror.omit]
    return found


def _image(image: ImageSource) -> dict[str, Any]:
    found: dict[str, Any] = {"location": image.location, "overlay": image.overlay}
    return {**found, "sha256": image.sha256} if image.sha256 else found
