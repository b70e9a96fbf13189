"""A guest's network: addresses, two guests that talk, and cables that are pulled.

Every function is a step and its name is the testid; README.md says what each proves.
"""

from __future__ import annotations

import pytest

from harness.job import netproof, proof
from harness.job.guest import GuestUnderTest


def test_guest_create(guest: GuestUnderTest) -> None:
    """Disk and domain are made, the console is recorded, and the guest runs."""
    guest.create()


def test_guest_boot(guest: GuestUnderTest) -> None:
    """It comes to its login prompt and lets root in on the console."""
    guest.boot()


def test_guest_console(guest: GuestUnderTest) -> None:
    """A shell on the console computes what it is asked."""
    proof.prove_console(guest)


def test_guest_ssh(guest: GuestUnderTest) -> None:
    """SSH leads to it, and to the same boot as the console."""
    proof.prove_ssh(guest)


# -- with dom0 -------------------------------------------------------------------------------


def test_net_dhcp(guest: GuestUnderTest) -> None:
    """Its address was lent to it, and dom0 knows whose it is."""
    netproof.prove_dhcp(guest)


def test_net_ipv4(guest: GuestUnderTest) -> None:
    """No ping is lost and no byte is another, also in the largest packets."""
    netproof.prove_ipv4(guest)


# -- with another guest ----------------------------------------------------------------------


def test_net_neighbour(guest: GuestUnderTest) -> None:
    """A second guest comes up beside it."""
    netproof.add_neighbour(guest)


def test_net_peers(guest: GuestUnderTest) -> None:
    """The two talk to each other over IPv4."""
    netproof.prove_peers(guest)


def test_net_ipv6(guest: GuestUnderTest) -> None:
    """And over IPv6."""
    netproof.prove_ipv6(guest)


def test_net_bandwidth(guest: GuestUnderTest) -> None:
    """How much goes through is told, and never judged."""
    netproof.measure_bandwidth(guest)


# -- cables ----------------------------------------------------------------------------------


def test_net_vif__dom0(guest: GuestUnderTest) -> None:
    """Its interface is taken down in dom0 and up again: its TCP session goes on."""
    netproof.prove_vif_outside(guest)


def test_net_vif__guest(guest: GuestUnderTest) -> None:
    """It takes its own end down and up again, and has its address again."""
    netproof.prove_vif_inside(guest)


def test_net_mac(guest: GuestUnderTest) -> None:
    """Where dom0 sees to that, it cannot talk under another MAC address."""
    netproof.prove_no_spoofing(guest)


@pytest.mark.ends_guest
def test_guest_gone(guest: GuestUnderTest) -> None:
    """Nothing of it, nor of its neighbour, is left on the host."""
    netproof.prove_both_gone(guest)
