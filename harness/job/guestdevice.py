"""A PCI device of the host that a guest has, from before its domain is there until after it."""

from __future__ import annotations

from harness.errors import LabError
from harness.host.pci import (
    PciDevice,
    assign_device,
    forget_backends,
    return_device,
    take_device,
)
from harness.job.gueststate import GuestState
from harness.wait import Deadline


class GuestDevice(GuestState):
    """How it comes to a device, and the host to have it back."""

    _device: PciDevice | None = None

    @property
    def device(self) -> PciDevice:
        """What it has; `LabError` before `assign_device`."""
        return self._needed(self._device, "has no PCI device")

    def assign_device(self) -> PciDevice:
        """Take one that hosts.yaml gives away, and make it assignable; the same one if it was.

        Its interface, if dom0 knew it, is the guest's from now on.
        """
        if self._device:
            return self._device
        terms = self._plan.host_named(self.host.name)
        if not terms.devices:
            msg = f"hosts.yaml gives away none of the PCI devices of {self.host.name}"
            raise LabError(msg)
        runner = self._fenced.runner
        with self.step.phase("take"):
            deadline = Deadline.after(terms.slot_timeout)
            self._device = take_device(runner, terms.devices, self.name, deadline)
        found = self._device
        self.remember("pci_device", found.address)
        self.remember("pci_id", f"{found.vendor}:{found.device}")
        self.remember("pci_driver_before", found.driver)
        if found.mac:
            self.has_mac(found.mac)
        with self.step.phase("assign"):
            assign_device(runner, found)
        return found

    def has_mac(self, mac: str) -> None:
        """Its interface has another MAC address than it was to have: that of a real card."""
        self.mac = mac
        self.remember("mac", mac)

    def forget_backend(self) -> None:
        """Nobody waits for what libxl left of its device, if it has ended by itself."""
        if self._device and forget_backends(self.host.runner, self._device.address):
            self.step.facts["remark"] = "libxl had left the closed PCI back end in xenstore"

    def return_device(self) -> None:
        """Let the host have it back as it was; well if it has none. `LabError` if it won't go."""
        if self._device:
            return_device(self.host.runner, self._device.address)
            self._device = None
