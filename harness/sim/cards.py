"""The PCI devices that a simulated host gives away: network cards, each as dom0 has it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.host.pci import CLAIMS, PCIBACK

IDS = ("0x8086", "0x10d3", "0x020000")
"""Of all of them: vendor, device and class."""
_NO_DRIVER = "modprobe.blacklist=e1000e"


class Cards:
    """All of them, by their addresses."""

    def __init__(self, addresses: tuple[str, ...], *, iommu: bool) -> None:
        self.drivers = dict.fromkeys(addresses, "e1000e")
        self.owners: dict[str, str] = {}
        """Domain and driver, as the links on a host have it."""
        self.iommu = iommu
        self.bounces = True
        """Whether its guests use their bounce buffers when they must."""

    @property
    def assignable(self) -> list[str]:
        """Those that are not dom0's."""
        return [address for address, driver in self.drivers.items() if driver == PCIBACK]

    def claims(self) -> list[str]:
        """As `harness.host.pci.LIST_CLAIMS` prints them."""
        return [f"{CLAIMS}/{address} {owner}" for address, owner in self.owners.items()]

    def mac(self, address: str) -> str:
        """Of the card there."""
        return f"52:54:00:78:66:{[*self.drivers].index(address):02x}"


def lacks_driver(cmdline: str, devices: Sequence[str]) -> bool:
    """Whether a guest with that kernel line can do nothing with its card."""
    return bool(devices) and _NO_DRIVER in cmdline


def cards(devices: Sequence[str], cmdline: str, mac: str) -> str:
    """What a guest says of the cards that it has (`harness.job.pcifacts`)."""
    has = "none" if lacks_driver(cmdline, devices) else f"e1000e enX0 {mac}"
    return "".join(f"0000:00:{n:02x}.0 {IDS[0]} {IDS[1]} {has}\n" for n, _ in enumerate(devices))
