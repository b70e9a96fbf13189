"""A host boots from its own disk by GRUB: as usual, in an emergency, and where it cannot.

Every function is a step and its name is the testid; README.md says what each proves.
"""

from __future__ import annotations

from harness.job import hostproof
from harness.job.hostundertest import HostUnderTest


def test_host_facts(host: HostUnderTest) -> None:
    """dom0 is what the job's name says, and its serial line is recorded from here on."""
    hostproof.prove_host(host)


def test_host_menu(host: HostUnderTest) -> None:
    """GRUB's real menu has no error, and is what update-grub makes."""
    hostproof.prove_menu(host)


def test_host_boot(host: HostUnderTest) -> None:
    """The entry that update-grub made, chosen for one boot, boots: on the line, and in xl info."""
    hostproof.prove_usual_boot(host)


def test_host_emergency__menu(host: HostUnderTest) -> None:
    """The emergency entry is clean in both of GRUB's languages."""
    hostproof.prove_emergency_forms(host)


def test_host_emergency(host: HostUnderTest) -> None:
    """It boots with a serial line only, and xl dmesg has it all again."""
    hostproof.prove_emergency(host)


def test_host_cannot_boot__no_root(host: HostUnderTest) -> None:
    """A root that is not there is told as that, and the host comes back."""
    hostproof.prove_cannot_boot(host, "no-root")


def test_host_cannot_boot__no_initrd(host: HostUnderTest) -> None:
    """So is an initramfs that is not there."""
    hostproof.prove_cannot_boot(host, "no-initrd")


def test_host_cannot_boot__xen_panic(host: HostUnderTest) -> None:
    """So is a panic of Xen."""
    hostproof.prove_cannot_boot(host, "xen-panic")
