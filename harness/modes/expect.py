"""What a guest must see in each mode, and what it must not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.flight.mode import Mode
from harness.modes.seen import Seen


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Sources: Linux, drivers/xen/sys-hypervisor.c (guest_type), arch/x86/xen (the name that
    the kernel boots on), drivers/block/xen-blkfront.c and drivers/net/xen-netfront.c (``vbd`` and
    ``vif``); libxl's device model arguments for the emulated ones.
    """

    guest_type: str
    kernel_says: str
    """How that begins."""
    disk: str = "vbd"
    """The driver of the root disk. This and what follows: as where the kernel knows of Xen."""
    net: str = "vif"
    console: str = "hvc0"
    xen_clock: bool = True
    """Whether Xen's clock is among those to choose from."""


EXPECTED: Mapping[Mode, Expected] = {
    Mode.PV: Expected(guest_type="PV", kernel_says="Xen"),
    Mode.PVH: Expected(guest_type="PVH", kernel_says="Xen PVH"),
    Mode.HVM: Expected(guest_type="HVM", kernel_says="Xen HVM"),
    Mode.EMULATED: Expected(
        guest_type="",
        kernel_says="bare hardware",
        disk="ahci",
        net="8139cp",
        console="ttyS0",
        xen_clock=False,
    ),
}


def kernel_differs(mode: Mode, seen: Seen) -> list[str]:
    """What the kernel takes itself for that it should not, in words; none when all is right."""
    expected = EXPECTED[mode]
    return list(
        _differences(
            ("guest type", seen.guest_type, seen.guest_type == expected.guest_type),
            ("kernel's log", seen.kernel_says, seen.kernel_says.startswith(expected.kernel_says)),
            ("consoles", seen.console, expected.console in seen.console.split()),
        )
    )


def disk_differs(mode: Mode, seen: Seen) -> list[str]:
    """The same of the disk with its root file system."""
    right = EXPECTED[mode].disk in seen.disk_drivers.split()
    return list(_differences(("drivers of the root disk", seen.disk_drivers, right)))


def net_differs(mode: Mode, seen: Seen) -> list[str]:
    """The same of its network interface."""
    right = EXPECTED[mode].net in seen.net_drivers.split()
    return list(_differences(("drivers of the interface", seen.net_drivers, right)))


def clock_differs(mode: Mode, seen: Seen) -> list[str]:
    """The same of its clock."""
    xen = "xen" in seen.clocks.split()
    right = xen is EXPECTED[mode].xen_clock and seen.clock in seen.clocks.split()
    return list(_differences(("clock sources", f"{seen.clock} of {seen.clocks}", right)))


def _differences(*findings: tuple[str, str, bool]) -> Iterator[str]:
    for what, found, right in findings:
        if not right:
            yield f"{what}: {found or 'none'}"
