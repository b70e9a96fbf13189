"""A host gets another dom0 kernel, guests live on it, and the host is taken back.

Every function is a step and its name is the testid; README.md says what each proves.
"""

from __future__ import annotations

from harness.job import hostguest, hostproof, upgradeproof
from harness.job.hostundertest import HostUnderTest


def test_host_facts(host: HostUnderTest) -> None:
    """dom0 is what the job's name says, and its serial line is recorded from here on."""
    hostproof.prove_host(host)


def test_upgrade_plan(host: HostUnderTest) -> None:
    """There is a kernel to go to, room for it, a guest to try on it, and a way back."""
    upgradeproof.prove_plan(host)


def test_upgrade_guest__before(host: HostUnderTest) -> None:
    """A guest boots, is saved and restored, and goes, before anything is changed."""
    hostguest.prove_guest(host, host_on_trial=False)


def test_upgrade_install(host: HostUnderTest) -> None:
    """The kernel's package goes in, and update-grub makes a clean menu with it."""
    upgradeproof.prove_install(host)


def test_upgrade_boot(host: HostUnderTest) -> None:
    """By that entry the host comes up, and runs that kernel."""
    upgradeproof.prove_boot(host)


def test_upgrade_guest__after(host: HostUnderTest) -> None:
    """The same guest does on the new kernel what it did on the old one."""
    hostguest.prove_guest(host)


def test_upgrade_back(host: HostUnderTest) -> None:
    """By the entry of the old kernel the host comes up as it was."""
    upgradeproof.prove_back(host)


def test_upgrade_undone(host: HostUnderTest) -> None:
    """The new kernel is purged, and nothing of it is left."""
    upgradeproof.prove_undone(host)
