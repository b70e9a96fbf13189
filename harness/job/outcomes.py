"""What became of each image of a flight: a file for each, written when it is ready or broken.

The controller makes images while guests of other images run already; whoever needs one that
is not ready waits for its file.
"""

from __future__ import annotations

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
_INTERVAL = timedelta(milliseconds=250)


class ImageOutcomes:
    """The outcomes in a flight's *directory*, by their names."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / OUTCOMES

    def write(self, name: str, image: PreparedImage) -> None:
        """Tell all processes; `LabError` when it can't be written."""
        write_record(self._path(name), image)

    def find(self, name: str) -> PreparedImage | None:
        """The outcome of that name; None while there is none."""
        path = self._path(name)
        try:
            return PreparedImage.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            msg = f"cannot read what became of an image: {path}: {error}"
            raise LabError(msg) from error

    def wait(self, name: str, controller: int, clock: Clock = SYSTEM_CLOCK) -> PreparedImage:
        """The outcome, as soon as there is one.

        `LabError` when the process *controller*, which makes the images, is gone, or when for
        `PATIENCE` no image at all became ready.
        """

        def check() -> PreparedImage:
            alive = Path(f"/proc/{controller}").exists()
            if image := self.find(name):
                return image
            if not alive:
                msg = f"the controller ended before image {name} was ready"
                raise LabError(msg)
            msg = "it is not ready"
            raise NotYet(msg)

        while True:
            ready = self._count()
            deadline = Deadline.after(PATIENCE, clock)
            try:
                return wait_for(check, what=f"image {name}", deadline=deadline, interval=_INTERVAL)
            except DeadlineExceeded:
                if self._count() == ready:
                    raise

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.json"

    def _count(self) -> int:
        return sum(1 for _ in self._directory.glob("*.json"))


def image_for(job: str, prepared: Prepared, directory: Path, step: StepRecord) -> PreparedImage:
    """The image of *job*, waited for if need be: a phase of *step*. `LabError` if it is broken."""
    outcomes = ImageOutcomes(directory)
    name = prepared.image_of(job)
    image = outcomes.find(name)
    if image is None:
        with step.phase(PHASE):
            image = outcomes.wait(name, prepared.controller)
    if image.broken:
        raise LabError(image.broken)
    return image
