"""The QEMU command line of a testbox: a pure function."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from harness.flight.model import FIRST_SPARE, BoxBoot, BoxIommu, TestboxSpec
from harness.remote.command import Command
from harness.testbox.accel import Accel
from harness.testbox.emulator import Emulator
from harness.units import Size

DOM0_ADDRESS = "10.0.2.15"
SCSI_BUS = "hotplug.0"
SPARE_DEVICE = "e1000e"
"""A card as real machines have it, with MSI-X; Debian's ordinary kernels have its driver."""
SPARE_MAC, WIRE_MAC = "52:54:00:78:66:{:02x}", "52:54:00:78:77:{:02x}"
"""Of a spare card, and of the card in dom0 at the other end of its wire."""
SPLIT_IRQCHIP = ",kernel-irqchip=split"
"""What QEMU wants for interrupt remapping (qemu(1), "-device intel-iommu")."""

XEN_ARGS = (
    "console=com1 com1=115200,8n1 dom0_mem=1024M,max:1024M dom0_max_vcpus=2 "
    "loglvl=info guest_loglvl=info"
)
KERNEL_ARGS = "console=hvc0 net.ifnames=0 cryptomgr.notests mitigations=off"
DOM0_ARGS = f"root=/dev/vda rw {KERNEL_ARGS}"
"""The kernel's self-tests of its ciphers take emulated seconds and prove nothing here."""


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What the emulated machine is made of; part of the key of a warm snapshot."""

    accel: Accel
    memory: Size
    vcpus: int
    emulator: Emulator
    boot: BoxBoot = BoxBoot.DIRECT
    iommu: BoxIommu = BoxIommu.NONE
    spare_nics: int = 0

    @classmethod
    def of(cls, spec: TestboxSpec, accel: Accel, emulator: Emulator) -> Hardware:
        """The machine that *spec* asks for."""
        return cls(
            accel=accel,
            memory=spec.memory,
            vcpus=spec.vcpus,
            emulator=emulator,
            boot=spec.boot,
            iommu=spec.iommu,
            spare_nics=spec.spare_nics,
        )

    @property
    def can_be_saved(self) -> bool:
        """Whether QEMU can write down its state: "State blocked by non-migratable device
        'amd-iommu'" (7.2; hw/i386/amd_iommu.c)."""
        return self.iommu is not BoxIommu.AMD

    def options(self) -> tuple[str, ...]:
        """QEMU's options for the machine, without files and ports.

        A state can only be resumed into the very same machine, so all that shapes it is here.
        """
        return (
            # No SATA, VGA or CD-ROM: dom0 would spend emulated seconds on probing them.
            *("-machine", "q35,sata=off" + ("" if self.iommu is BoxIommu.NONE else SPLIT_IRQCHIP)),
            "-nodefaults",
            *self.accel.qemu_options(mended=self.emulator.mended),
            *("-m", str(self.memory.mib)),
            *("-smp", str(self.vcpus)),
            *("-display", "none", *self._at_reboot, "-no-user-config"),
            # Before the devices that are behind it.
            *self._iommu,
            # Disks come and go while it runs: golden images are copied that way.
            *("-device", "virtio-scsi-pci,id=hotplug"),
            *("-device", "virtio-net-pci,netdev=uplink,romfile="),
            *self._spare_nics,
        )

    @property
    def _iommu(self) -> tuple[str, ...]:
        match self.iommu:
            case BoxIommu.NONE:
                return ()
            case BoxIommu.INTEL:
                return ("-device", "intel-iommu,intremap=on")
            case BoxIommu.AMD:
                return ("-device", "amd-iommu,intremap=on")

    @property
    def _spare_nics(self) -> tuple[str, ...]:
        """Each with a wire of its own (a hub with two ports) to another card, which dom0 has in
        its bridge (`harness.testbox.wires`): no way into the wire leads from outside."""
        words: list[str] = []
        for number in range(self.spare_nics):
            slot = FIRST_SPARE + 2 * number
            for end, mac, addr in (("spare", SPARE_MAC, slot), ("wire", WIRE_MAC, slot + 1)):
                port = f"{end}{number}"
                card = (
                    f"{SPARE_DEVICE},netdev={port},mac={mac.format(number)},addr={addr:#x},romfile="
                )
                words += ["-netdev", f"hubport,id={port},hubid={number}", "-device", card]
        return tuple(words)

    @property
    def _at_reboot(self) -> tuple[str, ...]:
        """QEMU's own loader leaves nothing to boot again from."""
        return ("-no-reboot",) if self.boot is BoxBoot.DIRECT else ()


@dataclass(frozen=True, kw_only=True)
class BootFiles:
    """What Xen is started from; QEMU's multiboot loader wants Xen unpacked."""

    xen: Path
    kernel: Path
    initrd: Path


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of one running testbox."""

    root: Path
    volumes: Path
    qmp: Path
    serial: Path
    console_log: Path


def qemu_command(
    hardware: Hardware,
    boot: BootFiles,
    files: Files,
    *,
    ssh_port: int,
    state: Path | None = None,
) -> Command:
    """The whole command line; with *state* it resumes from there instead of booting.

    ``dhcpstart`` keeps QEMU's DHCP server away from dom0's static address.
    """
    uplink = (
        f"user,id=uplink,dhcpstart=10.0.2.100,hostfwd=tcp:127.0.0.1:{ssh_port}-{DOM0_ADDRESS}:22"
    )
    argv = [
        hardware.emulator.program,
        *hardware.options(),
        *("-netdev", uplink),
        *("-chardev", f"socket,id=serial0,path={_value(files.serial)},server=on,wait=off,"
                      f"logfile={_value(files.console_log)},logappend=on"),
        *("-serial", "chardev:serial0"),
        *("-qmp", f"unix:{_value(files.qmp)},server=on,wait=off"),
        *(_loaded(boot) if hardware.boot is BoxBoot.DIRECT else ()),
        # The first disk is the one that SeaBIOS boots from.
        *("-drive", _disk(files.root)),
        *("-drive", _disk(files.volumes)),
    ]  # fmt: skip
    if state:
        argv += ["-incoming", f"exec:cat {shlex.quote(str(state))}"]
    return Command(tuple(argv))


def _loaded(boot: BootFiles) -> tuple[str, ...]:
    """What QEMU loads itself, by multiboot."""
    return (
        *("-kernel", str(boot.xen), "-append", XEN_ARGS),
        *("-initrd", f"{boot.kernel} {DOM0_ARGS},{boot.initrd}"),
    )


def _disk(path: Path) -> str:
    # Nothing in a testbox outlives a power cut anyway: cache=unsafe saves every flush.
    return f"file={_value(path)},format=qcow2,if=virtio,cache=unsafe"


def _value(path: Path) -> str:
    """*path* in a list of QEMU's options: a comma would end it (qemu(1), "-drive")."""
    return str(path).replace(",", ",,")
