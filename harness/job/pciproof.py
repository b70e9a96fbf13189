"""Proofs about a PCI device of the host that a guest has: whose it is, that it works, that it is
given back."""

from __future__ import annotations

from harness.errors import LabError, NotApplicable
from harness.flight.axes import Virt
from harness.host.iommu import look_at_iommu
from harness.host.pci import NO_DRIVER, PCIBACK
from harness.job.guest import GuestUnderTest
from harness.job.pcifacts import (
    SHOW_CARDS,
    Card,
    parse_cards,
    read_bounce,
    read_counters,
    read_device,
)
from harness.job.proof import BULK, prove_gone, prove_network, prove_ssh
from harness.job.ready import ready
from harness.remote.command import Command

FORCED = "swiotlb=force"
"""With that all DMA of a guest goes through the bounce buffer (kernel-parameters.txt)."""


def report_iommu(guest: GuestUnderTest) -> None:
    """Tell what Xen says of the host's IOMMU. Nothing is judged."""
    found = look_at_iommu(guest.host.runner)
    guest.remember("iommu", found.kind if found.used else "none")
    guest.remember("iommu_mode", found.mode)
    guest.remember("iommu_remapping", found.remapping)
    groups = f"dom0 sees {found.groups}" if found.groups else "none: under Xen dom0 sees no IOMMU"
    guest.remember("iommu_groups", groups)
    guest.step.facts["xen_says"] = found.said


def prove_assigned(guest: GuestUnderTest) -> None:
    """A card that hosts.yaml gives away is pciback's, and dom0 has no interface of it any more."""
    _require(guest)
    device = guest.assign_device()
    found = read_device(guest.host.runner, device.address)
    if found.get("driver") != PCIBACK or "assignable" not in found or "mac" in found:
        msg = f"{device.address} was to be assignable, and dom0 says {dict(found)}"
        raise LabError(msg)


def prove_card(guest: GuestUnderTest) -> None:
    """The guest sees that card and no other of the kind, and its driver has it."""
    card = _card(guest)
    guest.remember("guest_pci", card.address)
    guest.remember("guest_driver", card.driver or "none")
    if not card.driver or not card.interface:
        msg = f"it sees the card {card.address}, and has no driver for it"
        raise guest.failure(msg, "look", "no-driver")
    guest.remember("interface", card.interface)
    expected = guest.device.mac
    if expected and card.mac != expected:
        msg = f"{card.interface} has the MAC address {card.mac}, and the card's is {expected}"
        raise guest.failure(msg, "look", "other-card")
    guest.has_mac(card.mac)


def prove_only_way(guest: GuestUnderTest) -> None:
    """SSH leads to it, over the card: it has no other interface."""
    _require(guest)
    prove_ssh(guest)
    names = guest.ssh.run(Command.script("show-interfaces", "ls /sys/class/net")).stdout.split()
    others = set(names) - {"lo", guest.recall("interface")}
    if others:
        msg = f"it has more interfaces than that of the card: {', '.join(sorted(others))}"
        raise guest.failure(msg, "look", "other-interface")


def prove_dma(guest: GuestUnderTest) -> None:
    """Bytes go through the card both ways and none is another; the card counts them, and
    interrupts tell of them."""
    _ready(guest)
    name = guest.recall("interface")
    before = read_counters(guest.ssh, name)
    prove_network(guest)
    after = read_counters(guest.ssh, name)
    moved = {
        "received": after.received - before.received,
        "sent": after.sent - before.sent,
    }
    interrupts = after.interrupts - before.interrupts
    guest.remember("card_bytes", f"{moved['received']} received, {moved['sent']} sent")
    guest.remember("card_interrupts", f"{interrupts} {after.interrupt_kind}".strip())
    for what, count in moved.items():
        if count < BULK:
            msg = f"{BULK} bytes went each way, and {name} has {what} {count}"
            raise guest.failure(msg, "count", "other-way")
    if interrupts <= 0:
        msg = f"{name} has {_in_words(moved)} without an interrupt"
        raise guest.failure(msg, "count", "no-interrupts")


def prove_bounce(guest: GuestUnderTest) -> None:
    """It has a bounce buffer; all DMA that must go through it does, and no byte is another."""
    _ready(guest)
    forced = FORCED in guest.spec.kernel_args.split()
    if guest.spec.virt is not Virt.PV and not forced:
        msg = (
            "an HVM guest's DMA goes through the IOMMU and needs no bounce buffer "
            f"(kernel_args: {FORCED} makes it use one)"
        )
        raise NotApplicable(msg)
    found = read_bounce(guest.ssh, guest.recall("guest_pci"))
    guest.remember("bounce_slots", _told(found.slots))
    guest.remember("bounce_used", _told(found.used))
    guest.step.facts["bounce_log"] = "\n".join(found.log)
    guest.step.facts["bounce_iomem"] = "\n".join(found.iomem)
    if not found.there:
        msg = "it has no bounce buffer (software IO TLB)"
        raise guest.failure(msg, "look", "no-bounce-buffer")
    if forced:
        # A card holds buffers to receive in, all the time.
        if not found.used:
            msg = f"with {FORCED}, of its bounce buffer's slots {_told(found.used)} are in use"
            raise guest.failure(msg, "look", "bounce-unused")
        prove_network(guest)


def prove_returned(guest: GuestUnderTest) -> None:
    """Nothing of it is left, and dom0 has the card as it had it before."""
    _require(guest)
    device = guest.device
    prove_gone(guest)
    found = read_device(guest.host.runner, device.address)
    if found.get("driver", NO_DRIVER) != device.driver or "claim" in found:
        msg = f"{device.address} was {device.driver}'s before, and now dom0 says {dict(found)}"
        raise guest.failure(msg, "return", "not-returned")
    if found.get("mac", "") != device.mac:
        msg = f"the card's MAC address was {device.mac}, and now it is {found.get('mac') or 'none'}"
        raise guest.failure(msg, "return", "not-returned")


# -- small parts ---------------------------------------------------------------------------


def _told(count: int | None) -> str:
    return "not told" if count is None else str(count)


def _in_words(moved: dict[str, int]) -> str:
    """In words."""
    return " and ".join(f"{what} {count} bytes" for what, count in moved.items())


def _require(guest: GuestUnderTest) -> None:
    """`NotApplicable` for a job whose guest is to have no device."""
    if not guest.spec.passthrough:
        msg = "the flight gives its guest no PCI device (key `passthrough`)"
        raise NotApplicable(msg)


def _card(guest: GuestUnderTest) -> Card:
    """The card that it was given, as it sees it."""
    _require(guest)
    device = guest.device
    cards = parse_cards(guest.shell.run(SHOW_CARDS).stdout)
    mine = [one for one in cards if (one.vendor, one.device) == (device.vendor, device.device)]
    guest.step.facts["pci_devices"] = str(len(cards))
    if len(mine) != 1:
        what = f"{device.vendor}:{device.device}"
        seen = ", ".join(f"{one.address} {one.vendor}:{one.device}" for one in cards) or "none"
        msg = f"it was to see one PCI device {what}, and sees {len(mine)}; all that it sees: {seen}"
        raise guest.failure(msg, "look", "no-device")
    return mine[0]


def _ready(guest: GuestUnderTest) -> None:
    """See that it can be told what to do over the card."""
    _require(guest)
    if not guest.knows("interface"):
        prove_card(guest)
    ready(guest)
