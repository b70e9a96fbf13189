"""What an operator does to flights in the queue: cancel, and try again."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.errors import UsageError
from harness.lab.flow import HeldFlight, now
from harness.lab.join import joined_job, unrun_job
from harness.lab.lab import Lab
from harness.lab.look import find_queued, jobs_matching
from harness.lab.words import State
from harness.status import Status

FINDINGS = frozenset({Status.PASS, Status.FAIL, Status.SKIP})
"""What says something of a guest is not tried until it says something else."""


@dataclass
class Cancelled:
    """What became of it."""

    ended: list[str] = field(default_factory=list)
    """Jobs that had not begun."""
    ending: list[str] = field(default_factory=list)
    """Jobs that run; their workers end them."""


def cancel(lab: Lab, word: str, job: str | None, who: str) -> Cancelled:
    """Take a flight, or one job of it, from the queue. What runs is told to end in good order.

    `UsageError` when there is none such, or nothing of it is left to be cancelled.
    """
    done = Cancelled()
    with lab.writing() as connection:
        flight = HeldFlight(lab, connection, find_queued(connection, word))
        left = [row for row in jobs_matching(flight.jobs(), job) if row.state != State.ENDED]
        for row in left:
            flight.set_job(row.job_no, cancelled=who)
            begun = lab.cancel(connection, row.queue_id) and row.state == State.RUNNING
            if begun:
                done.ending.append(row.job)
                continue
            if row.state == State.RUNNING:
                continue
            why = f"cancelled by {who} before it began"
            result = unrun_job(flight.planned(row.job_no), Status.ABORTED, why, now())
            flight.end_job(row.job_no, joined_job([*flight.runs(row.job_no), result]))
            done.ended.append(row.job)
        if not left:
            msg = f"nothing of {job or flight.flight_id} waits or runs any more"
            raise UsageError(msg)
    return done


def retry(lab: Lab, word: str, job: str | None) -> list[str]:
    """Let jobs wait again that ended without saying anything of their guest; their names.

    Each keeps what became of it so far as attempts. `UsageError` when there is none such.
    """
    with lab.writing() as connection:
        flight = HeldFlight(lab, connection, find_queued(connection, word))
        chosen = jobs_matching(flight.jobs(), job)
        again = [
            row
            for row in chosen
            if row.state == State.ENDED and Status(row.result["status"]) not in FINDINGS
        ]
        if not again:
            said = ", ".join(
                sorted({(row.result or {}).get("status", row.state) for row in chosen})
            )
            msg = f"there is nothing to try again: {job or flight.flight_id} is {said}"
            hint = "a guest that failed is a finding; submit it in a new flight with --only"
            raise UsageError(msg, hint=hint)
        hosts = list(flight.row.plan["hosts"])
        for row in again:
            flight.set_job(row.job_no, cancelled=None, result=None, losses=0, misfits={})
        flight.queue(again, hosts)
        flight.write_whole(ended=None)
        return [row.job for row in again]
