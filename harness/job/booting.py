"""How each boot method is asked of xl: from a job and its disks to a domain's configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.dists.kernels import DOM0_KERNEL
from harness.dists.table import TABLE
from harness.errors import LabError
from harness.flight.axes import Boot, Builder, Devices, Virt
from harness.flight.kernels import kernel_of
from harness.flight.model import JobSpec
from harness.guest.menu import menu_with_args
from harness.guest.seed import SeedFile
from harness.host.capabilities import Capabilities
from harness.job.prepared import PreparedImage
from harness.remote.command import Command
from harness.xen.config import Disk, DomainConfig, DomainType, Firmware, Vif
from harness.xen.domain import ConsoleType, both_consoles_command, console_command

XEN_CONSOLE, SERIAL_CONSOLE = "hvc0", "ttyS0"
NO_XEN = f"nopv xen_emul_unplug=never console={SERIAL_CONSOLE}"
"""For a kernel that shall take no notice of Xen: Documentation/admin-guide/kernel-parameters.txt.
The last console is the one that init writes to."""
NO_EMULATED_DISK = "modprobe.blacklist=ahci"
"""For an HVM guest on Xen's own disk. As soon as its kernel has found Xen it has the emulated ones
unplugged, and QEMU does that to IDE disks, not to AHCI ones (hw/i386/xen/xen_platform.c): a kernel
with that driver would see its disk twice, and mount either."""
_CONSOLE = re.compile(r"\bconsole=(\w+)")
_FIRMWARE = {
    Boot.DIRECT: Firmware.SEABIOS,
    Boot.BIOS: Firmware.SEABIOS,
    Boot.UEFI: Firmware.OVMF,
}


def guest_console(spec: JobSpec, image: PreparedImage) -> str:
    """What the guest calls the console on which it shall ask for a login.

    Xen's own, unless the boot menu of an HVM guest names only its serial line.
    """
    if spec.devices is Devices.EMULATED:
        return SERIAL_CONSOLE
    own = _CONSOLE.findall(image.menu)
    itself = spec.virt is Virt.HVM and spec.boot is not Boot.DIRECT
    if itself and SERIAL_CONSOLE in own and XEN_CONSOLE not in own:
        return SERIAL_CONSOLE
    dist = TABLE.get(spec.dist)
    return dist.console if dist else XEN_CONSOLE


def listen_command(spec: JobSpec, image: PreparedImage, domain: str) -> Command:
    """The command that hears all of this job's boot, and takes what is typed."""
    if spec.virt is not Virt.HVM:
        return console_command(domain)
    own = guest_console(spec, image) == XEN_CONSOLE
    return both_consoles_command(domain, ConsoleType.PV if own else ConsoleType.SERIAL)


def kernel_arguments(spec: JobSpec, image: PreparedImage, own: str) -> str:
    """The kernel line of a direct boot: the guest's *own* arguments (its root), its console, and
    the job's last, so that they win.
    """
    return f"{own} console={guest_console(spec, image)} {_extra(spec)}".strip()


def menu_files(spec: JobSpec, image: PreparedImage) -> tuple[SeedFile, ...]:
    """The guest's boot menu with the job's arguments in it, where they have no other way in.

    `LabError` when there is no menu that we know.
    """
    arguments = _extra(spec)
    if spec.boot is Boot.DIRECT or not arguments:
        return ()
    if not image.menu:
        msg = (
            f"kernel_args need boot: direct here: the menu of a guest by {spec.builder} is its own"
        )
        raise LabError(msg)
    text = menu_with_args(image.menu, arguments)
    return (SeedFile(path=image.menu_path, content=text.encode()),)


def _extra(spec: JobSpec) -> str:
    """What its devices ask of the kernel's line, and the job's own arguments."""
    words = [spec.kernel_args]
    kernel = None if spec.builder.on_host or spec.image else kernel_of(spec)
    if spec.devices is Devices.EMULATED:
        words.insert(0, NO_XEN)
    elif spec.virt is Virt.HVM and kernel is not None and kernel.emulated:
        words.insert(0, NO_EMULATED_DISK)
    return " ".join(filter(None, words))


def domain_config(
    spec: JobSpec,
    *,
    name: str,
    image: PreparedImage,
    arguments: str,
    disks: tuple[Disk, ...],
    vifs: tuple[Vif, ...],
    pci: tuple[str, ...] = (),
    capabilities: Capabilities,
    uuid: str | None = None,
) -> DomainConfig:
    """The domain of *spec*, on a host of these *capabilities*. *arguments* are for the kernel,
    where it takes them from outside. `LabError` when the host lacks what is needed.
    """
    start = _start(spec, image, capabilities)
    return DomainConfig(
        name=name,
        type=DomainType(spec.virt),
        memory=spec.memory.mib,
        vcpus=spec.vcpus,
        cpus="" if spec.virt is Virt.PV else capabilities.hvm_cpus,
        kernel=start.kernel,
        ramdisk=start.ramdisk,
        cmdline=arguments if _from_outside(spec) else "",
        bootloader=start.bootloader,
        firmware=_FIRMWARE[spec.boot] if spec.virt is Virt.HVM else None,
        platform_pci=spec.devices is Devices.PV,
        disks=disks,
        vifs=vifs,
        pci=pci,
        uuid=uuid,
    )


def _from_outside(spec: JobSpec) -> bool:
    """Whether the kernel's line comes from here: all of it, or what pygrub adds (libxl gives it
    as ``--args``) to a menu that xen-create-image wrote and that lacks it."""
    hooked = spec.builder is Builder.XEN_CREATE_IMAGE and spec.boot is Boot.PYGRUB
    return hooked or spec.boot is Boot.DIRECT


@dataclass(frozen=True, kw_only=True)
class _Start:
    """What xl starts the domain with; all None: what its firmware finds on the disk."""

    kernel: str | None = None
    ramdisk: str | None = None
    bootloader: str | None = None


def _start(spec: JobSpec, image: PreparedImage, host: Capabilities) -> _Start:
    match spec.boot:
        case Boot.DIRECT if spec.kernel == DOM0_KERNEL and not spec.builder.on_host:
            return _Start(kernel=host.path("kernel"), ramdisk=host.path("initrd"))
        case Boot.DIRECT:
            if not image.kernel:
                msg = "its image has no kernel for a direct boot"
                raise LabError(msg)
            return _Start(kernel=image.kernel, ramdisk=image.initrd or None)
        case Boot.PYGRUB:
            return _Start(bootloader="pygrub")
        case Boot.PVGRUB:
            return _Start(kernel=host.path("pvgrub-pvh" if spec.virt is Virt.PVH else "pvgrub-pv"))
        case Boot.BIOS | Boot.UEFI:
            return _Start()
