"""A guest's disks: whatever is behind them, what is written is there.

Every function is a step and its name is the testid; README.md says what each proves.
"""

from __future__ import annotations

import pytest

from harness.job import diskproof, proof
from harness.job.backings import Backing
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


# -- what may be behind a disk ---------------------------------------------------------------


def test_disk_lv(guest: GuestUnderTest) -> None:
    """A logical volume with all its space."""
    diskproof.prove_disk(guest, Backing.LV)


def test_disk_snapshot(guest: GuestUnderTest) -> None:
    """A thin snapshot: it has its origin's data, and the origin is not changed by it."""
    diskproof.prove_snapshot(guest)


def test_disk_raw(guest: GuestUnderTest) -> None:
    """A file of dom0's."""
    diskproof.prove_disk(guest, Backing.RAW)


def test_disk_qcow2(guest: GuestUnderTest) -> None:
    """A qcow2 image in a file of dom0's."""
    diskproof.prove_disk(guest, Backing.QCOW2)


# -- changed while it is in use --------------------------------------------------------------


def test_disk_grow(guest: GuestUnderTest) -> None:
    """The volume is made larger below a mounted file system, which then takes it all."""
    diskproof.prove_growth(guest)


def test_disk_discard(guest: GuestUnderTest) -> None:
    """What the guest trims comes back to the thin pool."""
    diskproof.prove_discard(guest)


# -- full ------------------------------------------------------------------------------------


def test_disk_full__inside(guest: GuestUnderTest) -> None:
    """Its file system has no room: it says so, and nothing is lost."""
    diskproof.prove_full_inside(guest)


def test_disk_full__outside(guest: GuestUnderTest) -> None:
    """Its image has no room in dom0: it says so, nothing is lost, and with room it goes on."""
    diskproof.prove_full_outside(guest)


# -- copied while it runs --------------------------------------------------------------------


def test_guest_snapshot(guest: GuestUnderTest) -> None:
    """A snapshot of its root, taken while it writes, boots with the data of that moment."""
    diskproof.prove_root_snapshot(guest)


@pytest.mark.ends_guest
def test_guest_gone(guest: GuestUnderTest) -> None:
    """Nothing of it is left on the host."""
    proof.prove_gone(guest)
