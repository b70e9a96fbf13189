"""What a domain is, as data, and as the text of an xl configuration file.

Format: xl.cfg(5), xl-disk-configuration(5), xl-network-configuration(5). In a quoted string xl
reads a backslash as an escape (libxlu's ``xlu__cfgl_dequote``), which the manual leaves out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from harness.errors import UsageError
from harness.pci import EXAMPLE, PCI_ADDRESS

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+\-]*")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)
_VDEV = re.compile(r"(xvd|hd|sd)[a-z]{1,2}[0-9]{0,3}")
_BRIDGE = re.compile(r"[A-Za-z0-9_.\-]{1,15}")
_CPUS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class DomainType(StrEnum):
    """How a domain is virtualised (``type=``)."""

    PV = "pv"
    PVH = "pvh"
    HVM = "hvm"


class Firmware(StrEnum):
    """What an HVM domain starts with (``bios=``)."""

    SEABIOS = "seabios"
    OVMF = "ovmf"


class Action(StrEnum):
    """What the toolstack does when a domain ends (``on_poweroff=`` and its kin)."""

    DESTROY = "destroy"
    RESTART = "restart"
    PRESERVE = "preserve"
    """Keep the dead domain for a look at it."""


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A block device of dom0, given to the domain as *vdev*."""

    path: str
    vdev: str = "xvda"
    format: str = "raw"
    writable: bool = True

    def __post_init__(self) -> None:
        _require(_VDEV, self.vdev, "the name of a virtual disk", "xvda")
        _require(re.compile("raw|qcow2?|vhd|qed"), self.format, "a disk format", "raw")
        if not self.path.startswith("/"):
            msg = f"the disk {self.path!r} must be an absolute path, such as /dev/vg/lv"
            raise UsageError(msg)

    def __str__(self) -> str:
        access = "rw" if self.writable else "ro"
        # "target" comes last: all that follows it is the path, commas and all.
        return f"format={self.format},vdev={self.vdev},access={access},target={self.path}"


@dataclass(frozen=True, kw_only=True)
class Vif:
    """A network interface on a bridge of dom0."""

    mac: str
    bridge: str

    def __post_init__(self) -> None:
        _require(_MAC, self.mac, "a MAC address", "00:16:3e:12:34:56")
        _require(_BRIDGE, self.bridge, "the name of a bridge", "xenbr0")

    def __str__(self) -> str:
        return f"mac={self.mac},bridge={self.bridge}"


@dataclass(frozen=True, kw_only=True)
class DomainConfig:
    """A domain to be made. Paths are dom0's; *memory* is in MiB.

    `UsageError` says which value xl would not take, or would take for something else.
    """

    name: str
    type: DomainType
    memory: int
    vcpus: int = 1
    kernel: str | None = None
    """What is started: a kernel, or a boot loader made for Xen. None: the firmware or
    *bootloader* finds one on the disk."""
    ramdisk: str | None = None
    cmdline: str = ""
    bootloader: str | None = None
    """A program of dom0 that takes the kernel out of the domain's first disk: pygrub."""
    firmware: Firmware | None = None
    """For HVM only."""
    platform_pci: bool = True
    """Whether an HVM guest is shown the device by which it finds Xen's own devices."""
    cpus: str = ""
    """The processors it may run on, such as ``1`` or ``0-3``; empty: any."""
    disks: tuple[Disk, ...] = ()
    vifs: tuple[Vif, ...] = ()
    pci: tuple[str, ...] = ()
    """PCI devices of the host, which must be assignable: ``0000:03:00.0``."""
    uuid: str | None = None
    on_poweroff: Action = Action.DESTROY
    on_reboot: Action = Action.RESTART
    on_crash: Action = Action.PRESERVE

    def __post_init__(self) -> None:
        check_domain_name(self.name)
        if self.uuid is not None:
            _require(_UUID, self.uuid, "a UUID", "94cd58c9-c777-4a6c-9d7f-147e4206972a")
        for what, number, least in (("memory", self.memory, 1), ("vcpus", self.vcpus, 1)):
            if number < least:
                msg = f"domain {self.name}: {what} is {number}; it must be at least {least}"
                raise UsageError(msg)
        if self.cpus:
            _require(_CPUS, self.cpus, "a list of processors", "0-3,6")
        for address in self.pci:
            _require(PCI_ADDRESS, address, "the address of a PCI device", EXAMPLE)
        self._check_boot()
        vdevs = [disk.vdev for disk in self.disks]
        twice = sorted({vdev for vdev in vdevs if vdevs.count(vdev) > 1})
        if twice:
            msg = f"domain {self.name}: more than one disk is {twice[0]}"
            raise UsageError(msg)

    def _check_boot(self) -> None:
        hvm = self.type is DomainType.HVM
        wrong = None
        if self.bootloader and (hvm or self.kernel):
            wrong = "a boot loader in dom0 is for PV and PVH domains without a kernel of their own"
        elif self.firmware and not hvm:
            wrong = "only HVM domains have firmware"
        elif self.pci and self.type is DomainType.PVH:
            wrong = "Xen gives no PCI devices to PVH domains"
        elif not (hvm or self.platform_pci):
            wrong = "only HVM domains can do without Xen's platform device"
        elif not (self.kernel or self.bootloader or hvm):
            wrong = "it has neither a kernel nor anything that finds one"
        if wrong:
            msg = f"domain {self.name}: {wrong}"
            raise UsageError(msg)

    def to_xl(self) -> str:
        """The text of the xl configuration file."""
        hvm = self.type is DomainType.HVM
        settings: dict[str, str | int | list[str] | None] = {
            "name": self.name,
            "uuid": self.uuid,
            "type": self.type,
            "memory": self.memory,
            "vcpus": self.vcpus,
            "cpus": self.cpus or None,
            "kernel": self.kernel,
            "ramdisk": self.ramdisk,
            "cmdline": self.cmdline or None,
            "bootloader": self.bootloader,
            "bios": self.firmware,
            # The only console that firmware and boot loaders of an HVM domain write to. It has
            # no screen: nobody looks at it, and QEMU would listen for VNC on a port.
            "serial": "pty" if hvm else None,
            "vga": "none" if hvm else None,
            "vnc": 0 if hvm else None,
            # The firmware's and GRUB's disk, until the kernel has its own driver. GRUB reads a
            # kernel off the emulated IDE disk so slowly (one port access per two bytes) that an
            # emulated host took two minutes for it.
            "hdtype": "ahci" if hvm else None,
            "xen_platform_pci": 0 if hvm and not self.platform_pci else None,
            "disk": [str(disk) for disk in self.disks],
            "vif": [str(vif) for vif in self.vifs],
            "pci": list(self.pci),
            "on_poweroff": self.on_poweroff,
            "on_reboot": self.on_reboot,
            "on_crash": self.on_crash,
        }
        return "".join(
            f"{key} = {_value(key, value)}\n"
            for key, value in settings.items()
            if value is not None and value != []
        )


def check_domain_name(name: str) -> str:
    """*name* itself; `UsageError` if it cannot name a domain.

    A name of digits only is refused: xl takes it for a domid.
    """
    if name.isdigit():
        msg = f"{name!r} cannot be the name of a domain: xl would take it for a domid"
        raise UsageError(msg)
    return _require(_NAME, name, "the name of a domain", "xf-boot-1")


def quote(text: str) -> str:
    """*text* as a string of an xl configuration file; `ValueError` for what has no place there."""
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        msg = f"{text!r} holds a control character"
        raise ValueError(msg)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _value(key: str, value: str | int | list[str]) -> str:
    try:
        if isinstance(value, list):
            return "[ " + ", ".join(quote(item) for item in value) + " ]"
        return quote(value) if isinstance(value, str) else str(value)
    except ValueError as error:
        msg = f"{key} cannot be written into an xl configuration file: {error}"
        raise UsageError(msg) from error


def _require(pattern: re.Pattern[str], text: str, what: str, example: str) -> str:
    if not pattern.fullmatch(text):
        msg = f"{text!r} is not {what}, such as {example}"
        raise UsageError(msg)
    return text
