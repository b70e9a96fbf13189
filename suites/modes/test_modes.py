"""One image, run in each of Xen's ways: the guest tells what machine it is on.

Every function is a step and its name is the testid; README.md says what each proves.
"""

from __future__ import annotations

import pytest

from harness.job import proof
from harness.job.guest import GuestUnderTest
from harness.modes import proof as mode


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


def test_mode_kernel(guest: GuestUnderTest) -> None:
    """Its kernel takes itself for what it is, and writes to the console of this mode."""
    mode.prove_kernel(guest)


def test_mode_disk(guest: GuestUnderTest) -> None:
    """Its disk has the driver of this mode, and keeps what is written to it."""
    mode.prove_disk(guest)


def test_mode_network(guest: GuestUnderTest) -> None:
    """Its interface has the driver of this mode."""
    mode.prove_net(guest)


def test_mode_clock(guest: GuestUnderTest) -> None:
    """It has Xen's clock where it knows of Xen, and only there."""
    mode.prove_clock(guest)


@pytest.mark.ends_guest
def test_guest_shutdown(guest: GuestUnderTest) -> None:
    """Asked to power off it does, in good order, and says so on its console."""
    guest.shut_down()


@pytest.mark.ends_guest
def test_guest_gone(guest: GuestUnderTest) -> None:
    """Nothing of it is left on the host."""
    proof.prove_gone(guest)
