"""What a builder on the host is asked for, and what it hands over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.flight.model import JobSpec
from harness.host.xenhost import XenHost
from harness.steps import StepRecord
from harness.wait import Deadline

FAILURE_CLASS = "image-build-failed"
"""The class of a failure that is the builder's own: it is under test, as the guest is."""
PHASE = "build"


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """One guest to be built on its host."""

    host: XenHost
    spec: JobSpec
    run: str
    """The flight id."""
    hostname: str
    """No other job's: the volumes are named after it."""
    mac: str
    mirror_url: str
    """As dom0 and the guest reach it; see `harness.build.mirror.mirror_for_host`."""
    step: StepRecord
    """For the builder's own phases, if it has any."""
    log: Path
    """On the controller: all that the builder says, written as it comes."""
    deadline: Deadline


@dataclass(frozen=True, kw_only=True)
class BuiltDisks:
    """What was built. The volumes carry the tags of the job's scratch volumes."""

    root: str
    """The LV with the root file system."""
    swap: str | None
    root_partition: int
    """Number of the root file system's partition in *root*; 0 when it is all of it."""
    root_offset: int
    """Where in *root* the file system begins, in bytes."""
    kernel: str
    """What a direct boot starts, a path in dom0; empty when the guest boots its own."""
    initrd: str
    root_device: str
    """As the guest calls its root file system: ``xvda2``."""
    swap_device: str
    arguments: str
    """What the guest needs on its kernel line, beside its console."""
    remarks: tuple[str, ...]
    """What a reader of the results should know: what was added, what was cleaned up."""
