"""The images of a flight, made in the background while guests of others boot already.

Builds run in threads of the controller, in the order in which jobs need them, as many at once
as half the cores: mmdebstrap keeps one busy, and the guests want the others. Images go to each
host one at a time. What became of each is told to all processes by `ImageOutcomes`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from datetime import timedelta
from functools import partial

from harness.errors import LabError, XenflightError
from harness.flight.model import JobSpec
from harness.job.carrier import Carrier, Connect
from harness.job.images import Built, Maker
from harness.job.outcomes import ImageOutcomes
from harness.job.prepared import PreparedImage
from harness.job.wanted import Wanted, in_order
from harness.progress import Progress
from harness.wait import SYSTEM_CLOCK

INTERRUPTED = "the flight was interrupted"
STOP_GRACE = timedelta(seconds=10)
"""How long a command on the host may go on when the pipeline is stopped. Enough for LVM's: a
volume that came to be after the host was swept would stay there."""
_PROBES = 4


def builds_at_once(cores: int | None = None) -> int:
    """How many images are built at the same time."""
    return max(1, (cores or os.cpu_count() or 1) // 2)


class ImagePipeline:
    """Has images made by *maker*. `stop` must be called in the end; it joins all threads.

    *stopping* is the event that the maker's own commands listen to.
    """

    def __init__(
        self,
        maker: Maker,
        outcomes: ImageOutcomes,
        progress: Progress,
        stopping: threading.Event,
        *,
        builds: int | None = None,
    ) -> None:
        self._maker = maker
        self._outcomes = outcomes
        self._progress = progress
        self._stopping = stopping
        self._telling = threading.Lock()
        self._pending: set[tuple[str, str]] = set()
        self._work: list[Future[None]] = []
        self._probes = SYSTEM_CLOCK.pool(_PROBES, "mirror-probe")
        self._builds = SYSTEM_CLOCK.pool(builds or builds_at_once(), "image-build")
        self._carriers: dict[str, Carrier] = {}
        self._goes: dict[str, int] = {}
        """To how many hosts each image goes."""

    def look_ahead(self, jobs: Iterable[JobSpec]) -> None:
        """Look at the mirrors that *jobs* need, before there is a host. Returns at once."""
        for wanted in in_order(jobs):
            self._probes.submit(self._probe, wanted)

    def begin(
        self,
        jobs: Iterable[JobSpec],
        fits: Mapping[str, Iterable[str]],
        connect: Mapping[str, Connect],
    ) -> dict[str, str]:
        """Begin to make the images of *jobs*; by job the name of the outcome to wait for.

        *fits* says by job to which hosts its image goes, *connect* makes a connection to each for
        the pipeline alone. Returns at once.
        """
        images = in_order(jobs)
        goes = {
            # Most jobs have the same hosts: of ten thousand jobs they are gone through once.
            wanted: tuple(
                dict.fromkeys(
                    host
                    for hosts in dict.fromkeys(tuple(fits[job]) for job in names)
                    for host in hosts
                )
            )
            for wanted, names in images.items()
        }
        self._goes = {wanted.name: len(hosts) for wanted, hosts in goes.items()}
        self._pending = {(wanted.name, host) for wanted, hosts in goes.items() for host in hosts}
        for host in dict.fromkeys(host for hosts in goes.values() for host in hosts):
            self._carriers[host] = Carrier(host, connect[host])
            self._work.append(self._carriers[host].connect_early())
        for wanted, hosts in goes.items():
            self._work.append(self._builds.submit(self._build, wanted, hosts))
        return {job: wanted.name for wanted, names in images.items() for job in names}

    def pending(self, name: str) -> bool:
        """Whether no host has the image of that name yet, though one will."""
        # A copy: other threads take from it.
        waiting = sum(image == name for image, _ in tuple(self._pending))
        return waiting > 0 and waiting == self._goes[name]

    def stop(self) -> None:
        """End what is under way and wait for it; what has no outcome by then is broken.

        Harmless twice, and after all is done.
        """
        self._stopping.set()
        pools = (self._probes, self._builds)
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for carrier in self._carriers.values():
            carrier.shut()
        under_way = [work for work in self._work if not work.done()]
        wait(under_way, timeout=STOP_GRACE.total_seconds())
        for carrier in self._carriers.values():
            carrier.cut()
        for pool in pools:
            pool.shutdown(wait=True)
        for carrier in self._carriers.values():
            carrier.join()
        for name, host in sorted(self._pending):
            with suppress(LabError):
                self._outcomes.write(name, host, PreparedImage(broken=INTERRUPTED))
        self._pending = set()

    # -- in threads --------------------------------------------------------------------

    def _probe(self, wanted: Wanted) -> None:
        with suppress(XenflightError):
            self._maker.probe(wanted)

    def _build(self, wanted: Wanted, hosts: Iterable[str]) -> None:
        left = list(hosts)
        try:
            built = self._maker.build(wanted, self._tell)
            while left:
                bring = partial(self._bring, wanted, built, left[0])
                self._work.append(self._carriers[left[0]].submit(bring))
                del left[0]
        except BaseException as error:  # noqa: BLE001  # nobody else would tell those who wait
            for host in left:
                self._failed(wanted, host, error)

    def _bring(self, wanted: Wanted, built: Built, name: str) -> None:
        try:
            host = self._carriers[name].host()
            self._done(wanted, name, self._maker.bring(wanted, built, host, self._tell))
        except BaseException as error:  # noqa: BLE001  # nobody else would tell those who wait
            self._failed(wanted, name, error)

    def _failed(self, wanted: Wanted, host: str, error: BaseException) -> None:
        if self._stopping.is_set():
            reason = INTERRUPTED
        elif isinstance(error, XenflightError):
            reason = str(error)
        else:
            reason = f"image {wanted.name}: {type(error).__name__}: {error}"
        self._done(wanted, host, PreparedImage(broken=reason))

    def _done(self, wanted: Wanted, host: str, image: PreparedImage) -> None:
        # An outcome that can't be written is told by `stop` again, and by nobody else.
        with suppress(LabError):
            self._outcomes.write(wanted.name, host, image)
            self._pending.discard((wanted.name, host))
            where = f" on {host}" if len(self._carriers) > 1 else ""
            how = f"cannot be had: {image.broken}" if image.broken else "is ready"
            # Also while it is stopping: it has come to be.
            self._say(f"image {wanted.name} {how}{where}")

    def _tell(self, text: str, fraction: float | None = None) -> None:
        """Also the place where work between two commands hears that it shall end."""
        if self._stopping.is_set():
            raise LabError(INTERRUPTED)
        self._say(text, fraction)

    def _say(self, text: str, fraction: float | None = None) -> None:
        with self._telling:
            self._progress(text, fraction)
