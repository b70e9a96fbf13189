"""A guest is created, boots, proves that it lives, and goes without a trace.

Every function is a step and its name is the testid; README.md says what each proves.
"""

from __future__ import annotations

import pytest

from harness.job import proof
from harness.job.guest import GuestUnderTest


def test_guest_create(guest: GuestUnderTest) -> None:
    """Disk and domain are made, the console is recorded, and the guest runs."""
    guest.create()


def test_guest_boot(guest: GuestUnderTest) -> None:
    """It comes to its login prompt, phase by phase, and lets root in on the console."""
    guest.boot()


def test_guest_console(guest: GuestUnderTest) -> None:
    """A shell on the console computes what it is asked."""
    proof.prove_console(guest)


def test_guest_ssh(guest: GuestUnderTest) -> None:
    """It has an address, SSH leads to it, and it is the same boot as on the console."""
    proof.prove_ssh(guest)


def test_guest_network(guest: GuestUnderTest) -> None:
    """No ping is lost, and bytes come and go unchanged."""
    proof.prove_network(guest)


@pytest.mark.ends_guest
def test_guest_shutdown(guest: GuestUnderTest) -> None:
    """Asked to power off it does, in good order, and says so on its console."""
    guest.shut_down()


@pytest.mark.ends_guest
def test_guest_gone(guest: GuestUnderTest) -> None:
    """Nothing of it is left on the host."""
    proof.prove_gone(guest)
