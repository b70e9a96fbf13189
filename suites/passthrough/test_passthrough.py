"""A guest with a PCI network card of the host's, over which all its traffic goes.

Every function is a step and its name is the testid; README.md says what each proves.
"""

from __future__ import annotations

import pytest

from harness.job import pciproof, proof
from harness.job.guest import GuestUnderTest


def test_host_iommu(guest: GuestUnderTest) -> None:
    """What Xen says of the host's IOMMU is told, and never judged."""
    pciproof.report_iommu(guest)


def test_pci_assign(guest: GuestUnderTest) -> None:
    """A card of the host's becomes assignable, and is dom0's no more."""
    pciproof.prove_assigned(guest)


def test_guest_create(guest: GuestUnderTest) -> None:
    """Disk and domain are made, with the card and without a virtual interface, and it runs."""
    guest.create()


def test_guest_boot(guest: GuestUnderTest) -> None:
    """It comes to its login prompt, phase by phase, and lets root in on the console."""
    guest.boot()


def test_guest_console(guest: GuestUnderTest) -> None:
    """A shell on the console computes what it is asked."""
    proof.prove_console(guest)


def test_pci_card(guest: GuestUnderTest) -> None:
    """It sees the very card, and has its driver at work."""
    pciproof.prove_card(guest)


def test_guest_ssh(guest: GuestUnderTest) -> None:
    """It has an address over the card, SSH leads to it, and there is no other way to it."""
    pciproof.prove_only_way(guest)


def test_pci_dma(guest: GuestUnderTest) -> None:
    """Bytes go through the card both ways, none is another, and the card counts them."""
    pciproof.prove_dma(guest)


def test_pci_bounce(guest: GuestUnderTest) -> None:
    """It has a bounce buffer, and where it must use it for everything it does."""
    pciproof.prove_bounce(guest)


@pytest.mark.ends_guest
def test_guest_shutdown(guest: GuestUnderTest) -> None:
    """Asked to power off it does, in good order, and says so on its console."""
    guest.shut_down()


@pytest.mark.ends_guest
def test_guest_gone(guest: GuestUnderTest) -> None:
    """Nothing of it is left on the host, and dom0 has its card again."""
    pciproof.prove_returned(guest)
