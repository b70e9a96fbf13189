"""A guest's whole life, as osstest's recipe ``test-guest`` has it: moved, stopped, changed, ended.

Every function is a step and its name is the testid; README.md says what each proves.
"""

from __future__ import annotations

import pytest

from harness.job import lifeproof, proof, witness
from harness.job.guest import GuestUnderTest
from harness.job.rounds import repeat
from harness.units import Size
from harness.xen.config import Action

BALLOON = Size.parse("128M")


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


# -- moved -----------------------------------------------------------------------------------


def test_guest_saverestore(guest: GuestUnderTest) -> None:
    """Saved to a file and restored, it goes on where it was."""
    with witness.survives(guest):
        guest.save()
        guest.restore()


def test_guest_localmigrate(guest: GuestUnderTest) -> None:
    """Moved, live, to the host that it is on, it goes on where it was."""
    guest.require_live_migration()
    with witness.survives(guest):
        guest.migrate_local()


def test_guest_saverestore__2(guest: GuestUnderTest) -> None:
    """The same once more, of a guest that was moved before."""
    with witness.survives(guest):
        guest.save()
        guest.restore()


def test_guest_localmigrate__2(guest: GuestUnderTest) -> None:
    """And moved after it was restored."""
    guest.require_live_migration()
    with witness.survives(guest):
        guest.migrate_local()


def test_guest_localmigrate_x10(guest: GuestUnderTest, rounds: int) -> None:
    """Moved over and over."""
    guest.require_live_migration()
    with witness.survives(guest):
        repeat(guest, rounds, guest.migrate_local)


# -- stopped and started ---------------------------------------------------------------------


def test_guest_stop(guest: GuestUnderTest) -> None:
    """Asked to power off it does, and its domain and back ends are gone."""
    lifeproof.before(guest)
    guest.stop()


def test_guest_start__2(guest: GuestUnderTest) -> None:
    """A new domain with the same disk boots, and has its data."""
    former = lifeproof.stopped(guest)
    guest.start()
    lifeproof.prove_anew(guest, former)


def test_guest_stop_start_x10(guest: GuestUnderTest, rounds: int) -> None:
    """Stopped and started over and over."""

    def stop_and_start() -> None:
        former = lifeproof.before(guest)
        guest.stop()
        guest.start()
        lifeproof.prove_anew(guest, former, disk=False)

    repeat(guest, rounds, stop_and_start)
    witness.check_data(guest)


def test_guest_reboot(guest: GuestUnderTest) -> None:
    """Rebooted from inside it comes up again, in a new domain."""
    former = lifeproof.before(guest)
    guest.reboot()
    lifeproof.prove_anew(guest, former)


def test_guest_reboot__xl(guest: GuestUnderTest) -> None:
    """The same, asked for by ``xl reboot``."""
    former = lifeproof.before(guest)
    guest.reboot_by_toolstack()
    lifeproof.prove_anew(guest, former)


# -- changed while it runs -------------------------------------------------------------------


def test_guest_pause(guest: GuestUnderTest) -> None:
    """Paused it stands still; then it goes on where it was."""
    with witness.survives(guest, disk=False):
        guest.pause()
        guest.unpause()


def test_guest_rename(guest: GuestUnderTest) -> None:
    """Under another name it is the same domain, and then again under its own."""
    with witness.survives(guest, disk=False):
        domid, uuid = guest.info.domid, guest.info.uuid
        with guest.renamed() as other:
            assert (guest.info.name, guest.info.domid, guest.info.uuid) == (other, domid, uuid)
        assert (guest.info.name, guest.info.domid, guest.info.uuid) == (guest.name, domid, uuid)


def test_guest_vcpus(guest: GuestUnderTest) -> None:
    """One processor is left to it, and then all are given back."""
    if guest.spec.vcpus < 2:
        pytest.skip("it has one vcpu: there is none to take")
    with witness.survives(guest, disk=False):
        guest.vcpu_set(1)
        guest.vcpu_set(guest.spec.vcpus)


def test_guest_memory(guest: GuestUnderTest) -> None:
    """It gives 128 MiB back, and takes them again."""
    if guest.spec.memory < 3 * BALLOON:
        pytest.skip(f"it has {guest.spec.memory}: too little to give {BALLOON} of it back")
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


def test_guest_console__reattach(guest: GuestUnderTest) -> None:
    """Its console is let go of and taken up again, and a shell there computes."""
    with witness.survives(guest, disk=False):
        guest.reattach_console()
        guest.shell.nonce_echo(guest.stretched(witness.ANSWER))


# -- ended -----------------------------------------------------------------------------------


@pytest.mark.ends_guest
def test_guest_on_crash__preserve(guest: GuestUnderTest) -> None:
    """With ``on_crash=preserve`` a domain that crashed stays for a look at it."""
    lifeproof.prove_crash(guest, Action.PRESERVE)


@pytest.mark.ends_guest
def test_guest_on_crash__destroy(guest: GuestUnderTest) -> None:
    """With ``on_crash=destroy`` it goes."""
    lifeproof.prove_crash(guest, Action.DESTROY)


@pytest.mark.ends_guest
def test_guest_on_reboot__destroy(guest: GuestUnderTest) -> None:
    """With ``on_reboot=destroy`` a reboot is its end."""
    lifeproof.prove_reboot_ends(guest, Action.DESTROY)


@pytest.mark.ends_guest
def test_guest_destroy(guest: GuestUnderTest) -> None:
    """After all that its data are those that it wrote; then it is destroyed."""
    lifeproof.running(guest)
    witness.check_data(guest)
    guest.destroy()


@pytest.mark.ends_guest
def test_guest_gone(guest: GuestUnderTest) -> None:
    """Nothing of it is left on the host."""
    proof.prove_gone(guest)
