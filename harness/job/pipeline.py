"""The images of a flight, made in the background while guests of others boot already.

Builds run in threads of the controller, in the order in which jobs need them, as many at once
as half the cores: mmdebstrap keeps one busy, and the guests want the others. Images go to the
host one at a time. What became of each is told to all processes by `ImageOutcomes`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import timedelta

from harness.errors import LabError, XenflightError
from harness.flight.model import JobSpec
from harness.host.xenhost import XenHost
from harness.job.images import Built, Maker
from harness.job.outcomes import ImageOutcomes
from harness.job.prepared import PreparedImage
from harness.job.wanted import Wanted, in_order
from harness.progress import Progress

INTERRUPTED = "the flight was interrupted"
STOP_GRACE = timedelta(seconds=10)
"""How long a command on the host may go on when the pipeline is stopped. Enough for LVM's: a
volume that came to be after the host was swept would stay there."""
_PROBES = 4

Connect = Callable[[], XenHost]


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
        self._pending: set[str] = set()
        self._work: list[Future[None]] = []
        self._probes = ThreadPoolExecutor(_PROBES, thread_name_prefix="mirror-probe")
        self._builds = ThreadPoolExecutor(builds or builds_at_once(), "image-build")
        self._carrier = ThreadPoolExecutor(1, thread_name_prefix="image-transfer")
        self._host: XenHost | None = None
        self._connect: Connect | None = None

    def look_ahead(self, jobs: Iterable[JobSpec]) -> None:
        """Look at the mirrors that *jobs* need, before there is a host. Returns at once."""
        for wanted in in_order(jobs):
            self._probes.submit(self._probe, wanted)

    def begin(self, jobs: Iterable[JobSpec], connect: Connect) -> dict[str, str]:
        """Begin to make the images of *jobs*; by job the name of the outcome to wait for.

        *connect* makes a connection to the host for the pipeline alone. Returns at once.
        """
        self._connect = connect
        images = in_order(jobs)
        self._pending = {wanted.name for wanted in images}
        if images:
            self._work.append(self._carrier.submit(self._connect_early))
        for wanted in images:
            self._work.append(self._builds.submit(self._build, wanted))
        return {job: wanted.name for wanted, names in images.items() for job in names}

    def pending(self, name: str) -> bool:
        """Whether there is no outcome of that name yet, though there will be."""
        return name in self._pending

    def stop(self) -> None:
        """End what is under way and wait for it; what has no outcome by then is broken.

        Harmless twice, and after all is done.
        """
        self._stopping.set()
        pools = (self._probes, self._builds, self._carrier)
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        under_way = [work for work in self._work if not work.done()]
        wait(under_way, timeout=STOP_GRACE.total_seconds())
        if self._host:
            # A copy of many minutes, or a wait for a lock, ends with the connection.
            self._host.close()
        for pool in pools:
            pool.shutdown(wait=True)
        if self._host:
            self._host.close()
        for name in sorted(self._pending):
            with suppress(LabError):
                self._outcomes.write(name, PreparedImage(broken=INTERRUPTED))
        self._pending = set()

    # -- in threads --------------------------------------------------------------------

    def _probe(self, wanted: Wanted) -> None:
        with suppress(XenflightError):
            self._maker.probe(wanted)

    def _build(self, wanted: Wanted) -> None:
        try:
            built = self._maker.build(wanted, self._tell)
            self._work.append(self._carrier.submit(self._bring, wanted, built))
        except BaseException as error:  # noqa: BLE001  # nobody else would tell those who wait
            self._failed(wanted, error)

    def _bring(self, wanted: Wanted, built: Built) -> None:
        try:
            host = self._connected()
            image = self._maker.bring(wanted, built, host, self._tell)
            self._done(wanted, image)
        except BaseException as error:  # noqa: BLE001  # nobody else would tell those who wait
            self._failed(wanted, error)

    def _failed(self, wanted: Wanted, error: BaseException) -> None:
        if self._stopping.is_set():
            reason = INTERRUPTED
        elif isinstance(error, XenflightError):
            reason = str(error)
        else:
            reason = f"image {wanted.name}: {type(error).__name__}: {error}"
        self._done(wanted, PreparedImage(broken=reason))

    def _done(self, wanted: Wanted, image: PreparedImage) -> None:
        # An outcome that can't be written is told by `stop` again, and by nobody else.
        with suppress(LabError):
            self._outcomes.write(wanted.name, image)
            self._pending.discard(wanted.name)
            how = f"cannot be had: {image.broken}" if image.broken else "is ready"
            self._tell(f"image {wanted.name} {how}")

    def _connect_early(self) -> None:
        """While the first image is built; whoever needs the host tries again if it fails."""
        with suppress(XenflightError):
            self._connected()

    def _connected(self) -> XenHost:
        assert self._connect
        if self._host is None or not self._host.runner.alive:
            self._host = self._connect()
        return self._host

    def _tell(self, text: str, fraction: float | None = None) -> None:
        """Also the place where work between two commands hears that it shall end."""
        if self._stopping.is_set():
            raise LabError(INTERRUPTED)
        with self._telling:
            self._progress(text, fraction)
