"""Reaping dead flights: what they have on a host, and their secrets on this controller."""

from __future__ import annotations

from collections.abc import Iterable

from harness.host.reaper import Leftovers, reap_dead
from harness.host.xenhost import XenHost
from harness.job.secrets import FlightSecrets


def reap(host: XenHost, *, alive: Iterable[str] = ()) -> list[Leftovers]:
    """Remove what dead flights left; see `reap_dead`.

    The key and the password stay where a kept guest does: nobody could enter it without them.
    """
    removed = reap_dead(host, alive=alive)
    for left in removed:
        if not left.kept_jobs:
            FlightSecrets.of(left.run).remove()
    return removed
