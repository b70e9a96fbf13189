"""The same thing over and over, as one step in which each round is told.

As osstest's ts-repeat-test, which tells only of the whole.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.job.gueststate import GuestState


def repeat(guest: GuestState, rounds: int, deed: Callable[[], None]) -> None:
    """Do it *rounds* times: phases ``round 1`` and on, and in the facts how many were done."""
    guest.step.facts["rounds"] = f"0 of {rounds}"
    for number in range(1, rounds + 1):
        with guest.step.phase(f"round {number}"):
            deed()
        guest.step.facts["rounds"] = f"{number} of {rounds}"
