"""A guest moves between two hosts, there and back: live, and as a file.

Every function is a step and its name is the testid; README.md says what each proves.
"""

from __future__ import annotations

import pytest

from harness.job import crossproof, proof, witness
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


def test_guest_data(guest: GuestUnderTest) -> None:
    """It has data on its disk, a process that counts, and a TCP session."""
    witness.begin(guest)
    witness.check(guest, witness.look(guest))


def test_peer_ready(guest: GuestUnderTest) -> None:
    """The second host has its disk, too, and reads there what the first one does."""
    crossproof.prove_peer(guest)


# -- live ------------------------------------------------------------------------------------


def test_guest_migrate__there(guest: GuestUnderTest) -> None:
    """Moved, live, to the second host, it goes on where it was."""
    guest.require_way(away=True)
    guest.require_live_crossing()
    with crossproof.crosses(guest):
        guest.migrate_over()


def test_guest_migrate__back(guest: GuestUnderTest) -> None:
    """And back: the TCP session with which it left goes on."""
    guest.require_way(away=False)
    guest.require_live_crossing()
    with crossproof.crosses(guest):
        guest.migrate_over()


# -- as a file -------------------------------------------------------------------------------


def test_guest_move__there(guest: GuestUnderTest) -> None:
    """Saved on one host and restored on the other, it goes on where it was."""
    guest.require_way(away=True)
    with crossproof.crosses(guest):
        guest.carry_over()


def test_guest_move__back(guest: GuestUnderTest) -> None:
    """And back."""
    guest.require_way(away=False)
    with crossproof.crosses(guest):
        guest.carry_over()


# -- ended -----------------------------------------------------------------------------------


def test_guest_shutdown(guest: GuestUnderTest) -> None:
    """Asked to power off, where it is by then, it does."""
    guest.shut_down()


@pytest.mark.ends_guest
def test_guest_gone(guest: GuestUnderTest) -> None:
    """Nothing of it is left on either host."""
    proof.prove_gone(guest)
