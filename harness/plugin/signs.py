"""What the board sees of a flight that runs: files in its directory."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from harness.errors import LabError
from harness.flight.plan import Plan
from harness.job.outcomes import ImageOutcomes
from harness.job.prepared import Prepared
from harness.job.slot import WaitingNotes
from harness.schedule.board import Board, Work
from harness.schedule.order import jobs_in_order
from harness.wait import NotYet


class FlightSigns:
    """A `harness.schedule.board.Signs`."""

    def __init__(self, directory: Path, prepared: Prepared) -> None:
        self._prepared = prepared
        self._outcomes = ImageOutcomes(directory)
        self._notes = WaitingNotes(directory)

    def ready(self, job: str) -> Collection[str]:
        """Where its image is. All of its hosts if there will be none: the job has to tell of it."""
        hosts = self._prepared.fits.get(job, ())
        name = self._prepared.images.get(job)
        if name is None:
            return hosts
        try:
            return self._outcomes.ready(name, hosts)
        except NotYet:
            return ()
        except LabError:
            return hosts

    def waits(self, job: str) -> bool:
        """Whether it says that it waits: for a slot, or for memory and the like."""
        return bool(self._notes.read(job))


def flight_board(plan: Plan, directory: Path, steps: Collection[str]) -> Board:
    """The board of a flight that was made ready; *steps* are the jobs that have any.

    Whatever else is in *steps* takes no slot.
    """
    try:
        prepared = Prepared.read(directory)
    except LabError:
        prepared = Prepared(flight_id=plan.flight_id)
    order = [job for job in jobs_in_order(plan) if job in steps]
    known = set(order)
    work = [
        Work(
            job=job,
            hosts=prepared.fits.get(job, ()),
            needs=prepared.images.get(job, ""),
            expected=plan.expectation(job),
        )
        for job in (*(name for name in steps if name not in known), *order)
    ]
    # What can't run says so and is gone; it shall keep no other waiting.
    work.sort(key=lambda one: not one.hosts)
    slots = {host.name: host.slots for host in plan.hosts}
    held = {name: host.held for name, host in prepared.hosts.items()}
    return Board(work, slots, FlightSigns(directory, prepared), held)
