"""The ways in which Xen runs a guest, as people call them."""

from __future__ import annotations

from enum import StrEnum

from harness.flight.axes import Devices, Virt
from harness.flight.model import JobSpec


class Mode(StrEnum):
    """See docs/modes.md, which explains the words."""

    PV = "pv"
    """The kernel knows that it runs on Xen and asks it for everything a processor would trap."""
    PVH = "pvh"
    """The processor virtualises; there is no machine around it but what Xen gives."""
    HVM = "hvm"
    """A PC is emulated to boot from; then drivers that know Xen take disk and network over."""
    EMULATED = "hvm-emulated"
    """A PC is emulated, and the kernel takes it for one."""


def mode_of(spec: JobSpec) -> Mode:
    """How the guest of *spec* is run."""
    if spec.devices is Devices.EMULATED:
        return Mode.EMULATED
    return {Virt.PV: Mode.PV, Virt.PVH: Mode.PVH, Virt.HVM: Mode.HVM}[spec.virt]
