"""The names of jobs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.flight.axes import FREE_AXES, Arch, Boot, Dist, Virt

_ODD = re.compile(r"[^a-z0-9]+")
_PREFIX = {"memory": "mem", "vcpus": "vcpus", "disk": "disk", "swap": "swap"}


def job_name(
    suite: str, dist: Dist, arch: Arch, virt: Virt, boot: Boot, variant: str | None
) -> str:
    """The name of a job, like osstest's: stable, since history is kept under it."""
    return "-".join([suite, dist, arch, virt, boot, *([variant] if variant else [])])


def part(axis: str, value: object) -> str:
    """What a job's name says of an axis: ``mem1g``, ``qcow2``, ``6-1-0-50-cloud-amd64``."""
    if axis == "swap" and value is None:
        return "noswap"
    if axis == "kernel" and value == "default":
        return "default-kernel"
    return _ODD.sub("-", f"{_PREFIX.get(axis, '')}{value}".lower()).strip("-")


class Naming:
    """Gives the jobs of a matrix their names.

    An axis is in a name only if the matrix has several values for it, and then only where the
    value is not the flight's usual one. So an axis with one value renames nothing, nor does a
    second value rename the jobs that keep the usual one.
    """

    def __init__(self, axes: Mapping[str, Sequence[object]], usual: Mapping[str, object]) -> None:
        self._parts = {
            axis: {value: part(axis, value) for value in axes[axis] if value != usual[axis]}
            for axis in FREE_AXES
            if len(axes.get(axis, ())) > 1
        }

    def suffix(self, cell: Mapping[str, object]) -> str | None:
        """What the name of *cell*, a value for each axis, ends with."""
        words = [words.get(cell[axis], "") for axis, words in self._parts.items()]
        return "-".join(filter(None, words)) or None
