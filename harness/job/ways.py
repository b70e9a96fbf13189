"""How a lab gets at what is real, in one place: a simulated lab has other ways, and all else of
this one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from harness.console.recorder import ConsoleRecorder, Record
from harness.flight.model import HostSpec, JobSpec
from harness.flight.plan import Plan
from harness.host.relay import Join, Relay
from harness.host.xenhost import XenHost
from harness.job.caretaker import Caretaker
from harness.job.hostrun import CareMaker, Reach
from harness.job.images import ImageMaker
from harness.job.outcomes import ImageOutcomes
from harness.job.pipeline import ImagePipeline
from harness.job.reach import reach_host
from harness.progress import Progress
from harness.remote.sshlink import SshEndpoint
from harness.results.recorder import FlightRecorder


class Images(Protocol):
    """Makes a flight's images in the background; `harness.job.pipeline.ImagePipeline` does."""

    def look_ahead(self, jobs: Iterable[JobSpec]) -> None:
        """Do what can be done for *jobs* before there is a host. Returns at once."""
        ...

    def begin(
        self,
        jobs: Iterable[JobSpec],
        fits: Mapping[str, Iterable[str]],
        connect: Mapping[str, Callable[[], XenHost]],
    ) -> dict[str, str]:
        """Begin to make their images, and to bring each to the hosts that its jobs may run on.

        By job the name of the outcome. Returns at once.
        """
        ...

    def pending(self, name: str) -> bool:
        """Whether no host has the outcome of that name yet, and one is still to get it."""
        ...

    def stop(self) -> None:
        """End what is under way, and wait for that."""
        ...


class Connect(Protocol):
    """Logs in to a host, as `XenHost.connect` does."""

    def __call__(
        self, spec: HostSpec, endpoint: SshEndpoint, patience: timedelta = ..., /
    ) -> XenHost:
        """`HostLost` when it does not answer within *patience*, times its timeout factor."""
        ...


MakeImages = Callable[[Plan, Path, FlightRecorder, Progress], Images]


def pipeline(
    plan: Plan, directory: Path, recorder: FlightRecorder, progress: Progress
) -> ImagePipeline:
    """Images in threads of the controller."""
    stopping = threading.Event()
    maker = ImageMaker(plan, recorder, stopping)
    return ImagePipeline(maker, ImageOutcomes(directory), progress, stopping)


@dataclass(frozen=True, kw_only=True)
class Ways:
    """What differs between hosts that are real and hosts that are not."""

    reach: Reach = reach_host
    """To a host of a flight; a testbox is started."""
    connect: Connect = XenHost.connect
    """Once more, when it is known where it is."""
    record: Record = ConsoleRecorder
    join: Join = Relay
    """Two commands on two hosts."""
    images: MakeImages = pipeline
    care: CareMaker = Caretaker
    """While jobs run there."""


REAL = Ways()
