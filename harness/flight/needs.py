"""What a job needs of its host, as flags that are found on the host itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType

from harness.flight.axes import Boot, Builder, DiskFormat, Toolstack, Virt
from harness.flight.model import JobSpec


class HostFlag(StrEnum):
    """Something that a Xen host can do. Found on it by `harness.host.capabilities`."""

    PV = "pv"
    PVH = "pvh"
    HVM = "hvm"
    """Hardware support, hvmloader and a device model (QEMU)."""
    HAP = "hap"
    """Nested paging."""
    BIOS = "bios"
    """SeaBIOS for HVM guests."""
    UEFI = "uefi"
    """OVMF for HVM guests."""
    PYGRUB = "pygrub"
    PVGRUB_PV = "pvgrub-pv"
    """GRUB for 64-bit PV guests (Debian: grub-xen-host)."""
    PVGRUB_PVH = "pvgrub-pvh"
    QDISK = "qdisk"
    """QEMU as a block back end: qcow2 disks."""
    XEN_TOOLS = "xen-tools"
    """xen-create-image."""
    NBD = "nbd"
    """Disks of another host: qemu-nbd, Linux's driver, and Python between them and SSH."""
    LIBVIRT = "libvirt"
    """virsh, and libvirt's driver for Xen."""
    PCIBACK = "pciback"
    """dom0's driver for PCI devices that guests have."""
    IOMMU = "iommu"
    """One that Xen uses."""


WHY: dict[HostFlag, str] = {
    HostFlag.PV: "its Xen runs no PV guests",
    HostFlag.PVH: "its Xen runs no PVH guests: they need VT-x or AMD-V with nested paging",
    HostFlag.HVM: "it runs no HVM guests: they need VT-x or AMD-V, and QEMU in dom0",
    HostFlag.HAP: "its processor has no nested paging",
    HostFlag.BIOS: "its dom0 has no SeaBIOS",
    HostFlag.UEFI: "its dom0 has no OVMF",
    HostFlag.PYGRUB: "its dom0 has no pygrub",
    HostFlag.PVGRUB_PV: "its dom0 has no GRUB for PV guests",
    HostFlag.PVGRUB_PVH: "its dom0 has no GRUB for PVH guests",
    HostFlag.QDISK: "its dom0 has no QEMU to serve qcow2 disks",
    HostFlag.XEN_TOOLS: "its dom0 has no xen-create-image",
    HostFlag.NBD: "its dom0 has not all of qemu-nbd, Linux's nbd module and python3",
    HostFlag.LIBVIRT: "its dom0 has no libvirt with a driver for Xen",
    HostFlag.PCIBACK: "its dom0 has no xen-pciback, through which guests have PCI devices",
    HostFlag.IOMMU: "its Xen uses no IOMMU, and without one libxl gives no guest a PCI device",
}
"""What it means that a flag is missing."""


def needs_to_boot(virt: Virt, boot: Boot) -> tuple[HostFlag, ...]:
    """The flags for a guest of *virt* booted by *boot*, whatever its disk and whoever made it."""
    mode = HostFlag(virt.value)
    match boot:
        case Boot.PVGRUB:
            return mode, HostFlag.PVGRUB_PVH if virt is Virt.PVH else HostFlag.PVGRUB_PV
        case Boot.DIRECT if virt is Virt.HVM:
            # QEMU puts the kernel in an option ROM, which SeaBIOS runs.
            return mode, HostFlag.BIOS
        case Boot.DIRECT:
            return (mode,)
        case Boot.PYGRUB | Boot.BIOS | Boot.UEFI:
            return mode, HostFlag(boot.value)


def needs(job: JobSpec) -> frozenset[HostFlag]:
    """The flags that a host must have to run *job*."""
    if job.whole_host:
        return frozenset()
    found = set(needs_to_boot(job.virt, job.boot))
    if job.disk_format is DiskFormat.QCOW2:
        found.add(HostFlag.QDISK)
    if job.builder is Builder.XEN_CREATE_IMAGE:
        found.add(HostFlag.XEN_TOOLS)
    if job.peer:
        found.add(HostFlag.NBD)
    if job.toolstack is Toolstack.LIBVIRT:
        found.add(HostFlag.LIBVIRT)
    if job.passthrough:
        found |= {HostFlag.PCIBACK, HostFlag.IOMMU}
    return frozenset(found)


def unmet(
    job: JobSpec,
    flags: Collection[HostFlag],
    host: str,
    because: Mapping[HostFlag, str] = MappingProxyType({}),
) -> str:
    """Why *host*, which has *flags*, cannot run *job*; empty when it can. *because* knows better
    than `WHY` what keeps a flag from this very host."""
    missing = sorted(needs(job) - set(flags))
    reasons = WHY | dict(because)
    return f"{host}: " + "; ".join(reasons[flag] for flag in missing) if missing else ""
