"""What became of each image of a flight on each host: a file for each, when it is ready or broken.

The controller makes images while guests of other images run already; whoever needs one that
is not ready waits for its file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from harness.errors import DeadlineExceeded, LabError
from harness.job.prepared import Prepared, PreparedImage, write_record
from harness.steps import StepRecord
from harness.wait import SYSTEM_CLOCK, Clock, Deadline, NotYet, wait_for

OUTCOMES = "prepared"
PATIENCE = timedelta(minutes=90)
"""How long no image at all may become ready: one build, one transfer, and the locks before
both, each at its own bound. The wait for an image starts anew with each that is ready."""
PHASE = "image"
"""The phase of ``guest-create`` in which a job waits for its image."""
ITS_IMAGE = "its image"
"""What it then waits for, in words."""
_INTERVAL = timedelta(milliseconds=250)


class ImageOutcomes:
    """The outcomes in a flight's *directory*, by image and host."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / OUTCOMES

    def write(self, name: str, host: str, image: PreparedImage) -> None:
        """Tell all processes; `LabError` when it can't be written."""
        write_record(self._path(name, host), image)

    def find(self, name: str, host: str) -> PreparedImage | None:
        """What became of the image *name* on *host*; None while that is open."""
        path = self._path(name, host)
        try:
            return PreparedImage.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            msg = f"cannot read what became of an image: {path}: {error}"
            raise LabError(msg) from error

    def ready(self, name: str, hosts: Iterable[str]) -> dict[str, PreparedImage]:
        """The image *name* on those of *hosts* that have it.

        `LabError` when none has it, and none will. `NotYet` when none has it so far.
        """
        found = {host: self.find(name, host) for host in hosts}
        if had := {host: image for host, image in found.items() if image and not image.broken}:
            return had
        broken = [image.broken for image in found.values() if image]
        if len(broken) == len(found):
            raise LabError("; ".join(dict.fromkeys(broken)))
        msg = "it is not ready"
        raise NotYet(msg)

    def on(self, host: str) -> Iterator[PreparedImage]:
        """Those that *host* has, or that could not be brought there."""
        for path in sorted(self._directory.glob(f"*@{host}.json")):
            if found := self.find(path.name.partition("@")[0], host):
                yield found

    def wait(
        self, name: str, hosts: Iterable[str], controller: int, clock: Clock = SYSTEM_CLOCK
    ) -> dict[str, PreparedImage]:
        """The image *name* on those of *hosts* that have it, as soon as one has.

        `LabError` when none will have it, when the process *controller*, which makes the images,
        is gone, or when for `PATIENCE` no image at all became ready.
        """
        wanted = tuple(hosts)

        def check() -> dict[str, PreparedImage]:
            alive = Path(f"/proc/{controller}").exists()
            try:
                return self.ready(name, wanted)
            except NotYet:
                if alive:
                    raise
                msg = f"the controller ended before image {name} was ready"
                raise LabError(msg) from None

        while True:
            ready = self._count()
            deadline = Deadline.after(PATIENCE, clock)
            try:
                return wait_for(check, what=f"image {name}", deadline=deadline, interval=_INTERVAL)
            except DeadlineExceeded:
                if self._count() == ready:
                    raise

    def _path(self, name: str, host: str) -> Path:
        return self._directory / f"{name}@{host}.json"

    def _count(self) -> int:
        return sum(1 for _ in self._directory.glob("*.json"))


def image_for(
    job: str, prepared: Prepared, directory: Path, step: StepRecord
) -> dict[str, PreparedImage]:
    """The image of *job* on each host that has it, at least one, waited for if need be: a phase
    of *step*.

    `LabError` if it can't be had, `Starved` if the flight has no host.
    """
    outcomes = ImageOutcomes(directory)
    hosts, name = prepared.hosts_for(job), prepared.image_of(job)
    try:
        return outcomes.ready(name, hosts)
    except NotYet:
        with step.phase(PHASE):
            return outcomes.wait(name, hosts, prepared.controller)
