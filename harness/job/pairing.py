"""Two hosts for one job, and its slots on both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from harness.errors import Starved
from harness.flight.axes import Peer
from harness.flight.model import JobSpec
from harness.flight.plan import Plan
from harness.host.lease import SlotLease
from harness.host.xenhost import XenHost
from harness.job.admission import admit_job
from harness.job.slot import slot_terms, take_slot
from harness.steps import StepRecord

Version = tuple[int, int]
Peers = dict[str, tuple[str, ...]]
_WHAT = {
    Peer.ANY: "no second host of the flight can run it",
    Peer.SAME: "no second host of the flight that can run it has the same version of Xen",
    Peer.NEWER: "no second host of the flight that can run it has a newer Xen",
}


def peers_of(wanted: Peer, versions: Mapping[str, Version]) -> Peers:
    """For each host on which such a job may begin, the second ones that it may have.

    *versions*: of Xen, on all hosts that can run it, in the order in which they are preferred. One
    counts by its first two numbers: Xen promises that all of one release take in each other's
    guests.
    """

    def good(mine: Version, other: Version) -> bool:
        return wanted is Peer.ANY or (other > mine if wanted is Peer.NEWER else other == mine)

    found = {
        name: tuple(
            other for other, version in versions.items() if other != name and good(mine, version)
        )
        for name, mine in versions.items()
    }
    return {name: others for name, others in found.items() if others}


def why_alone(wanted: Peer, versions: Mapping[str, Version]) -> str:
    """Why there is no pair among those hosts."""
    shown = ", ".join(f"{name}: Xen {major}.{minor}" for name, (major, minor) in versions.items())
    return f"{_WHAT[wanted]} ({shown})"


def choose_pair(
    places: Sequence[str],
    peers: Mapping[str, Sequence[str]],
    well: Collection[str],
    free: Callable[[str], int],
) -> tuple[str, str]:
    """The first of *places* and the second host for it, both with a free slot if there are such.

    *free* counts the free slots of a host; below 0 it does not answer, and comes last. `Starved`
    when there is none that is *well*.
    """
    pairs = [
        (name, other)
        for name in places
        for other in peers.get(name, ())
        if name in well and other in well
    ]
    if not pairs:
        msg = "no second host is fit for it now"
        raise Starved(msg)
    rooms = {name: free(name) for name in dict.fromkeys(one for pair in pairs for one in pair)}

    def rank(pair: tuple[str, str]) -> tuple[bool, bool]:
        least = min(rooms[name] for name in pair)
        return least < 0, least == 0

    return min(pairs, key=rank)


def take_pair(
    spec: JobSpec,
    plan: Plan,
    hosts: tuple[XenHost, XenHost],
    golden: str,
    directory: Path,
    step: StepRecord,
    before: Callable[[XenHost], None],
) -> tuple[SlotLease, SlotLease]:
    """A slot on both *hosts* for the job of *spec*, and all that its guest takes, on either.

    They are taken in the order of their names, whichever is first for the job: so of two jobs that
    want the same two, none waits for the other with what that one wants in its hand. *before* is
    called with each as soon as its slot is there. Within the patience of the more patient host;
    else `Starved`.
    """
    first = hosts[0]
    began = step.clock.monotonic()
    patience = max(plan.host_named(host.name).slot_timeout for host in hosts)
    taken: dict[str, SlotLease] = {}

    def left() -> timedelta:
        spent = timedelta(seconds=step.clock.monotonic() - began)
        return max(timedelta(0), patience - spent)

    ordered = sorted(hosts, key=lambda host: host.name)
    try:
        for host in ordered:
            terms = slot_terms(plan.host_named(host.name), left())
            taken[host.name] = take_slot(spec, plan, host, directory, step, terms)
            before(host)
        for host in ordered:
            lease, home = taken[host.name], host is first
            admit_job(
                spec,
                plan,
                host,
                lease,
                golden if home else "",
                directory,
                step,
                left(),
                home=home,
            )
    except BaseException:
        for lease in taken.values():
            lease.release()
        raise
    return taken[hosts[0].name], taken[hosts[1].name]
