"""Proofs of who made a guest's domain: xl knows all of libxl's, libvirt only its own."""

from __future__ import annotations

from harness.flight.axes import Toolstack
from harness.flight.needs import HostFlag
from harness.job.guest import GuestUnderTest
from harness.xen.libvirt import Libvirt


def prove_known(guest: GuestUnderTest) -> None:
    """xl lists its domain; libvirt does if, and only if, it is to have made it."""
    domid = guest.info.domid
    guest.step.facts["toolstack"] = str(guest.spec.toolstack)
    names = _of_libvirt(guest)
    if names is None:
        guest.step.facts["libvirt"] = "not there"
        return
    known = guest.name in names
    guest.step.facts["libvirt"] = "knows it" if known else "does not know it"
    if known is not (guest.spec.toolstack is Toolstack.LIBVIRT):
        made = f"domain {domid} was to be made by {guest.spec.toolstack}"
        msg = f"{made}, and `virsh list` has {', '.join(names) or 'none'}"
        raise guest.failure(msg, "list", "other-toolstack")


def prove_unknown(guest: GuestUnderTest) -> None:
    """Neither has it any more."""
    if guest.domain.state() is not None:
        msg = f"`xl list` still has domain {guest.name}"
        raise guest.failure(msg, "list", "domain-stays")
    names = _of_libvirt(guest)
    if names and guest.name in names:
        msg = f"its domain is gone, and `virsh list` still has {guest.name}"
        raise guest.failure(msg, "list", "domain-stays")


def _of_libvirt(guest: GuestUnderTest) -> tuple[str, ...] | None:
    """Whom libvirt has there; None where there is no libvirt."""
    if not guest.host_has(HostFlag.LIBVIRT):
        return None
    return Libvirt(guest.host.runner).names()
