"""What a host can do, found on the host itself: nobody has to configure it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from harness.errors import LabError
from harness.flight.needs import HostFlag
from harness.host.iommu import uses_iommu
from harness.host.xenhost import XenHost
from harness.remote.command import Command

# Where the tools are differs by distribution and by who built Xen. Debian's directories carry
# Xen's version, and its xen-dir tells that of the running one; upstream's are the others. For
# each thing the first path that is there is printed.
_LOOK = """\
version=$(cat /sys/hypervisor/version/major).$(cat /sys/hypervisor/version/minor)
own=$(/usr/lib/xen-common/bin/xen-dir 2>/dev/null || echo "/usr/lib/xen-$version")
first() {
    what=$1; shift
    for path; do
        if [ -e "$path" ]; then echo "$what $path"; return; fi
    done
}
in_xen() {
    for dir in "$own" /usr/lib/xen /usr/libexec/xen /usr/lib64/xen /usr/local/lib/xen \\
        /usr/local/libexec/xen; do
        echo "$dir/$1"
    done
}
first hvmloader $(in_xen boot/hvmloader)
first pygrub $(in_xen bin/pygrub) /usr/bin/pygrub
first device-model /usr/libexec/xen-qemu-system-i386 $(in_xen bin/qemu-system-i386) \\
    /usr/bin/qemu-system-x86_64 /usr/bin/qemu-system-i386
first seabios /usr/share/seabios/bios-256k.bin $(in_xen boot/seabios.bin) \\
    /usr/share/qemu-xen/qemu/bios-256k.bin
first ovmf /usr/share/ovmf/OVMF.fd $(in_xen boot/ovmf.bin) /usr/share/edk2/xen/OVMF.fd
first pvgrub-pv /usr/lib/grub-xen/grub-x86_64-xen.bin $(in_xen boot/grub-x86_64-xen.bin) \\
    /usr/share/grub2/x86_64-xen/grub.xen
first pvgrub-pvh /usr/lib/grub-xen/grub-i386-xen_pvh.bin $(in_xen boot/grub-i386-xen_pvh.bin) \\
    /usr/share/grub2/i386-xen_pvh/grub.xen
first virsh /usr/bin/virsh /usr/local/bin/virsh
first libvirt-xen /usr/lib/*/libvirt/connection-driver/libvirt_driver_libxl.so \\
    /usr/lib64/libvirt/connection-driver/libvirt_driver_libxl.so
first xen-create-image /usr/bin/xen-create-image /usr/local/bin/xen-create-image
first pciback /sys/bus/pci/drivers/pciback \\
    /lib/modules/"$(uname -r)"/kernel/drivers/xen/xen-pciback/xen-pciback.ko*
case $(grep -m1 '^model name' /proc/cpuinfo) in
    *"QEMU mended"*) echo "emulated mended" ;;
    *QEMU*) echo "emulated plain" ;;
esac
first qemu-nbd /usr/bin/qemu-nbd /usr/local/bin/qemu-nbd
first python3 /usr/bin/python3 /usr/local/bin/python3
modinfo -n nbd 2>/dev/null | sed 's/^/nbd-module /'
first kernel "/boot/vmlinuz-$(uname -r)"
first initrd "/boot/initrd.img-$(uname -r)" "/boot/initramfs-$(uname -r).img"
exit 0
"""


EMULATED_SLOWDOWN = 3.0
"""Under QEMU's emulation of AMD-V. Seen from unpause to login, with another guest beside it: PV
70 s, PVH 130 and 200 s, HVM 240 s."""


EMULATED_WITHOUT = {
    HostFlag.UEFI: "QEMU emulates its processor, and OVMF in a guest can end that QEMU (ADR 13)"
}
"""What such a host has, and had better not use."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a host can do, and where the things are that it does it with."""

    flags: frozenset[HostFlag] = frozenset()
    paths: Mapping[str, str] = field(default_factory=dict)
    """On the host: ``pvgrub-pv``, ``pvgrub-pvh``, ``ovmf``, ``kernel``, ``initrd``..."""

    because: Mapping[HostFlag, str] = field(default_factory=dict)
    """Why it lacks a flag, where that is not what `harness.flight.needs.WHY` says."""

    hvm_cpus: str = ""
    """The processors that PVH and HVM guests may run on, as in ``cpus=``; empty: any of them.
    When QEMU (TCG, 7.2 and 10.0) emulates AMD-V, the others' FPU switches spoil the state of
    processor 0, and one guest in three that runs there dies within seconds (ADR 11)."""

    xen: tuple[int, int] = (0, 0)
    """Its version, by its first two numbers."""

    hvm_slowdown: float = 1.0
    """How much slower than the host's PV guests its PVH and HVM guests are; stretches their
    timeouts on top of the host's ``timeout_factor``."""

    def path(self, name: str) -> str:
        """One of `paths`; `LabError` when the host has no such thing."""
        try:
            return self.paths[name]
        except KeyError:
            msg = f"the host has no {name}"
            raise LabError(msg) from None


def find_capabilities(host: XenHost) -> Capabilities:
    """Ask *host* what it can do; `LabError` when it does not answer."""
    said = host.runner.run(Command.script("look-around", _LOOK)).stdout
    paths = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
    emulated = paths.pop("emulated", "")
    plain = emulated == "plain"
    info = host.xl.info()
    without = EMULATED_WITHOUT if plain else {}
    return Capabilities(
        flags=flags_of(info.virt_caps, paths).difference(without),
        paths=paths,
        because=without,
        hvm_cpus=_all_but_the_first(info.nr_cpus) if plain else "",
        xen=(info.major, info.minor),
        hvm_slowdown=EMULATED_SLOWDOWN if emulated else 1.0,
    )


def _all_but_the_first(count: int) -> str:
    """Of *count* processors, as ``cpus=`` takes them; empty when there is no other."""
    return "" if count < 2 else "1" if count == 2 else f"1-{count - 1}"


def flags_of(virt_caps: Collection[str], paths: Mapping[str, str]) -> frozenset[HostFlag]:
    """The flags, from `xl info`'s ``virt_caps`` and the things that were found. Pure.

    A PVH guest needs no device model, but hardware support; and nested paging, too, as
    distributions build Xen (without CONFIG_SHADOW_PAGING).
    """
    hardware = "hvm" in virt_caps
    hvm = hardware and {"hvmloader", "device-model"} <= paths.keys()
    found = {
        HostFlag.PV: "pv" in virt_caps,
        HostFlag.HAP: "hap" in virt_caps,
        HostFlag.PVH: hardware and "hap" in virt_caps,
        HostFlag.HVM: hvm,
        HostFlag.BIOS: hvm and "seabios" in paths,
        HostFlag.UEFI: hvm and "ovmf" in paths,
        HostFlag.PYGRUB: "pygrub" in paths,
        HostFlag.PVGRUB_PV: "pvgrub-pv" in paths,
        HostFlag.PVGRUB_PVH: "pvgrub-pvh" in paths,
        HostFlag.QDISK: "device-model" in paths,
        HostFlag.XEN_TOOLS: "xen-create-image" in paths,
        HostFlag.NBD: {"qemu-nbd", "nbd-module", "python3"} <= paths.keys(),
        HostFlag.LIBVIRT: {"virsh", "libvirt-xen"} <= paths.keys(),
        HostFlag.PCIBACK: "pciback" in paths,
        HostFlag.IOMMU: uses_iommu(virt_caps),
    }
    return frozenset(flag for flag, there in found.items() if there)
