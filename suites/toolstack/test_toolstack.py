"""The same life of a guest by the toolstack that its job names: ``xl``, or libvirt's ``virsh``.

Every function is a step and its name is the testid; README.md says what each proves.
"""

from __future__ import annotations

import pytest

from harness.job import lifeproof, makers, proof, witness
from harness.job.guest import GuestUnderTest
from harness.units import Size

BALLOON = Size.parse("128M")


def test_guest_create(guest: GuestUnderTest) -> None:
    """Its domain is made, by that toolstack, and runs."""
    guest.create()


def test_guest_toolstack(guest: GuestUnderTest) -> None:
    """That toolstack knows it, and xl does in any case; nobody else has it."""
    makers.prove_known(guest)


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


def test_guest_saverestore(guest: GuestUnderTest) -> None:
    """Saved to a file and restored, it goes on where it was."""
    with witness.survives(guest):
        guest.save()
        guest.restore()


def test_guest_pause(guest: GuestUnderTest) -> None:
    """Paused it stands still; then it goes on where it was."""
    with witness.survives(guest, disk=False):
        guest.pause()
        guest.unpause()


def test_guest_vcpus(guest: GuestUnderTest) -> None:
    """One processor is left to it, and then all are given back."""
    if guest.spec.vcpus < 2:
        pytest.skip("it has one vcpu: there is none to take")
    with witness.survives(guest, disk=False):
        guest.vcpu_set(1)
        guest.vcpu_set(guest.spec.vcpus)


def test_guest_memory(guest: GuestUnderTest) -> None:
    """It gives 128 MiB back, and takes them again."""
    with witness.survives(guest, disk=False):
        guest.mem_set(Size(guest.spec.memory - BALLOON))
        guest.mem_set(guest.spec.memory)


def test_guest_block(guest: GuestUnderTest) -> None:
    """A disk is given to it, what it writes there is on the host, and the disk is taken away."""
    with witness.survives(guest, disk=False):
        device = guest.block_attach()
        written = witness.write_block(guest, device)
        guest.block_detach()
        witness.check_block(guest, written)


def test_guest_network(guest: GuestUnderTest) -> None:
    """An interface is given to it, packets come of it, and it is taken away."""
    with witness.survives(guest, disk=False):
        guest.network_attach()
        guest.network_detach()


def test_guest_reboot(guest: GuestUnderTest) -> None:
    """Rebooted from inside it comes up again: the toolstack makes it a new domain."""
    former = lifeproof.before(guest)
    guest.reboot()
    lifeproof.prove_anew(guest, former)
    makers.prove_known(guest)


def test_guest_reboot__asked(guest: GuestUnderTest) -> None:
    """The same, asked for by the toolstack."""
    former = lifeproof.before(guest)
    guest.reboot_by_toolstack()
    lifeproof.prove_anew(guest, former)


@pytest.mark.ends_guest
def test_guest_stop(guest: GuestUnderTest) -> None:
    """Asked to power off it does, and its domain and back ends are gone; nobody knows it then."""
    lifeproof.before(guest)
    guest.stop()
    makers.prove_unknown(guest)


@pytest.mark.ends_guest
def test_guest_destroy(guest: GuestUnderTest) -> None:
    """Started again from the same disk, with its data; then it is destroyed."""
    former = lifeproof.stopped(guest)
    guest.start()
    lifeproof.prove_anew(guest, former)
    guest.destroy()
    makers.prove_unknown(guest)


@pytest.mark.ends_guest
def test_guest_gone(guest: GuestUnderTest) -> None:
    """Nothing of it is left on the host."""
    proof.prove_gone(guest)
