"""Proofs of the life cycle: that a guest began anew, or ended as its configuration says."""

from __future__ import annotations

from harness.errors import NotApplicable
from harness.flight.axes import Virt
from harness.job import witness
from harness.job.guest import GuestUnderTest
from harness.job.proof import prove_console, prove_over_ssh
from harness.xen.config import Action


def before(guest: GuestUnderTest) -> str:
    """See that it has what it is to have afterwards: phase ``before``. Its boot id."""
    with guest.step.phase("before"):
        witness.begin(guest)
    return guest.recall("boot_id")


def stopped(guest: GuestUnderTest) -> str:
    """See that it does not run: an earlier step should have stopped it. The id of its last boot."""
    if guest.domain.state() is not None:
        before(guest)
        guest.stop()
    return guest.recall("boot_id")


def prove_anew(guest: GuestUnderTest, former: str, *, disk: bool = True) -> None:
    """It is up, on both channels, in another boot than *former*, with the data that it had."""
    with guest.step.phase("after"):
        prove_console(guest)
        if guest.recall("boot_id") == former:
            msg = f"it has the boot id {former} that it had before"
            raise guest.failure(msg, "after", "boot-id-mismatch")
        prove_over_ssh(guest)
    if disk:
        witness.check_data(guest)


def prove_crash(guest: GuestUnderTest, on_crash: Action) -> None:
    """A guest that panics ends as ``on_crash`` says; what is left of it is destroyed."""
    if guest.spec.virt is Virt.HVM:
        msg = "a panic of Linux in an HVM guest is a reset to Xen, and no crash"
        raise NotApplicable(msg)
    _begin(guest, on_crash=on_crash)
    _compare(guest, "crash", guest.crash(), on_crash)


def prove_reboot_ends(guest: GuestUnderTest, on_reboot: Action) -> None:
    """A guest that reboots ends as ``on_reboot`` says."""
    _begin(guest, on_reboot=on_reboot)
    _compare(guest, "reboot", guest.reboot_ends(), on_reboot)


def running(guest: GuestUnderTest) -> None:
    """See that it runs: an earlier step may have ended it on purpose."""
    if guest.domain.state() is None:
        guest.start()
        prove_console(guest)
    witness.begin(guest)


def _begin(
    guest: GuestUnderTest,
    *,
    on_crash: Action = Action.PRESERVE,
    on_reboot: Action = Action.RESTART,
) -> None:
    there = guest.domain.state() is not None
    if there and guest.actions == (on_crash, on_reboot):
        witness.begin(guest)
        return
    if there:
        guest.stop()
    guest.start(on_crash=on_crash, on_reboot=on_reboot)
    prove_console(guest)


def _compare(guest: GuestUnderTest, event: str, found: str, wanted: Action) -> None:
    guest.step.facts["ended"] = found
    if found != wanted:
        msg = f"on_{event}={wanted}, and xl did {found!r}"
        raise guest.failure(msg, event, "other-end")
    if wanted is Action.PRESERVE:
        guest.destroy()
