"""Proofs of a move between two hosts: that the same guest went on, and where it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from harness.host.xenhost import XenHost
from harness.job import witness
from harness.job.guest import GuestUnderTest
from harness.job.network import await_pings
from harness.remote.command import Command
from harness.wait import Deadline, NotYet, wait_for

SAME = timedelta(seconds=20)
# Both past what dom0 may keep of it. $1 device.
_HEAD = 'dd if="$1" bs=1M count=1 iflag=direct status=none | sha256sum'


def prove_peer(guest: GuestUnderTest) -> None:
    """The second host is another one, and has the guest's disk: it reads there what the first one
    reads. Phase ``lend``. How far their clocks are apart is told."""
    peer = guest.peer
    path = guest.host.volumes.path(guest.disks.root)
    guest.remember("xen", guest.host.xl.info().version)
    guest.remember("peer_xen", peer.host.xl.info().version)
    guest.step.facts["clocks_apart"] = f"{_clock(peer.host) - _clock(guest.host):.2f}"
    device = guest.lend_disk()
    guest.remember("peer_disk", device)

    def same() -> None:
        # The guest writes there now and then, so a difference may be of the moment.
        mine, other = _head(guest.host, path), _head(peer.host, device)
        if mine != other:
            msg = f"{guest.host.name} reads {mine}, and {peer.host.name} {other}"
            raise NotYet(msg)

    with guest.step.phase("compare"):
        what = f"the begin of {path} to be that of {device} on {peer.host.name}, too"
        wait_for(same, what=what, deadline=Deadline.after(guest.stretched(SAME)))


@contextmanager
def crosses(guest: GuestUnderTest) -> Iterator[None]:
    """Whatever is done inside, the guest is on its other host afterwards, and goes on there.

    It is there, and not where it was; the same boot, process and clock; an SSH session by way of
    the host that it is on; its address is the one that it had; and its data, read off its disk.
    When it comes home, the TCP session with which it left is to go on, and what it wrote while it
    was away is on its disk.
    """
    source, target = guest.host, guest.elsewhere.host
    with guest.step.phase("before"):
        witness.begin(guest)
        before = witness.look(guest)
        address = guest.recall("guest_ip")
        session = guest.recall("home_session") if guest.away else before.session
    guest.remember("home_session", session)
    yield
    _prove_moved(guest, source, target)
    if guest.away:
        # The networks of the two hosts need not be one.
        guest.connect()
        if guest.recall("guest_ip") != address:
            msg = f"its address was {address}, and is {guest.recall('guest_ip')}"
            raise guest.failure(msg, "after", "other-address")
    with guest.step.phase("after"):
        witness.check(guest, before, session=None if guest.away else session)
        await_pings(guest, "packet-loss")
    witness.check_data(guest)
    if guest.away:
        witness.write_away(guest)
    elif guest.knows("away_sha256"):
        witness.check_away(guest)


def _prove_moved(guest: GuestUnderTest, source: XenHost, target: XenHost) -> None:
    """As both toolstacks say: one domain, over there."""
    with guest.step.phase("look"):
        there = [one.domid for one in target.xl.list() if one.name == guest.name]
        still = [one.name for one in source.xl.list() if one.name.startswith(guest.name)]
    guest.step.facts["moved"] = f"{source.name} -> {target.name}"
    if len(there) != 1 or still:
        msg = f"{target.name} has {len(there)} domains {guest.name}, and {source.name} {still}"
        raise guest.failure(msg, "look", "not-moved")


def _clock(host: XenHost) -> float:
    return float(host.runner.run(Command.of("date", "+%s.%N")).stdout)


def _head(host: XenHost, device: str) -> str:
    return host.runner.run(Command.script("read-head", _HEAD, device)).stdout.split()[0]
