"""A whole host for one job: all of its slots, nobody's domains, and nobody comes meanwhile.

Leases end with a boot, as do the locks of `harness.host.lock`. What stays is that the host is
drained: so it is for as long as it is ours, and if its holder dies it stays drained, since nobody
knows then which boot it is in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from harness.errors import LabError, Starved
from harness.host.drain import drain, undrain
from harness.host.lease import Busy, SlotLease, SlotTerms, take_lease
from harness.host.lock import HostLock, take_lock
from harness.host.slots import Claim
from harness.host.use import find_use
from harness.host.xenhost import XenHost
from harness.remote.command import Runner
from harness.wait import SYSTEM_CLOCK, Deadline

LOCK = "whole-host"
"""Held by who takes all slots: two that have half of them each would wait for ever."""
_LEAST = timedelta(seconds=30)


@dataclass
class WholeHost:
    """A host that is ours, until `give_back`."""

    claim: Claim
    terms: SlotTerms
    lock: HostLock
    leases: list[SlotLease]

    def let_go(self) -> None:
        """Give back what ends with a boot anyway; never raises, and is harmless twice."""
        for lease in self.leases:
            lease.release()
        self.lock.release()

    def give_back(self, runner: Runner) -> None:
        """Let others begin there again, over a connection that stands now.

        `LabError` when that can't be written: the host then stays drained.
        """
        undrain(runner, self.terms.drain_file)
        self.let_go()


def take_whole(
    host: XenHost, claim: Claim, terms: SlotTerms, on_busy: Busy = lambda _: None
) -> WholeHost:
    """All of *host*, waited for no longer than for one slot. `Starved` when it is not to be had in
    time, is drained, or somebody's domains run there; `LabError` when nobody can tell."""
    deadline = Deadline.after(max(terms.patience, _LEAST))
    try:
        lock = take_lock(host.runner, LOCK, deadline)
    except LabError as error:
        if not host.runner.alive:
            raise
        msg = f"another job has {host.name} to itself"
        raise Starved(msg) from error
    whole = WholeHost(claim=claim, terms=terms, lock=lock, leases=[])
    try:
        for _ in range(terms.slots):
            left = min(terms.patience, timedelta(seconds=deadline.remaining))
            mine = replace(terms, patience=left)
            whole.leases.append(take_lease(host.runner, claim, mine, on_busy))
        if others := find_use(host, claim.flight).others:
            msg = f"{host.name} is not to be rebooted: others use it: {'; '.join(others)}"
            raise Starved(msg)
        reason = f"{claim.job} of flight {claim.flight} has it to itself, and boots it"
        since = int(SYSTEM_CLOCK.time_of_day())
        drain(
            host.runner,
            by=claim.holder,
            reason=reason,
            since=since,
            drain_file=terms.drain_file,
        )
    except BaseException:
        whole.let_go()
        raise
    return whole
