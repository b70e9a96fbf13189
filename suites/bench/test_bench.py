"""The bare life of a guest, for `xenflight bench` to hold against a shell script."""

from __future__ import annotations

from harness.job.guest import GuestUnderTest


def test_guest_create(guest: GuestUnderTest) -> None:
    """As in the suite boot."""
    guest.create()


def test_guest_boot(guest: GuestUnderTest) -> None:
    """As in the suite boot."""
    guest.boot()


def test_guest_ssh(guest: GuestUnderTest) -> None:
    """Only the connection, no proofs: the script has none either."""
    guest.connect()


def test_guest_remove(guest: GuestUnderTest) -> None:
    """Destroyed, as the script does it."""
    guest.remove()
