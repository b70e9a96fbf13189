"""What a host says of the boot that it is in, and of what it would boot next: one command."""

from __future__ import annotations

from dataclasses import dataclass, fields

from harness.errors import LabError
from harness.remote.command import Command, Runner, pairs_in

MENU = "/boot/grub/grub.cfg"
CUSTOM = "/boot/grub/custom.cfg"
"""What ``/etc/grub.d/41_custom`` has GRUB read beside its own menu."""
MOST_MENU = 1 << 20

# A host without a tool has no value for it, which is said by whoever needs one.
_LOOK = r"""
say() { echo "$1=$(eval "$2" 2>/dev/null | head -n 1)"; }
say boot_id 'cat /proc/sys/kernel/random/boot_id'
say hostname 'hostname'
say kernel 'uname -r'
say cmdline 'cat /proc/cmdline'
say codename '. /etc/os-release; echo "$VERSION_CODENAME"'
say arch 'dpkg --print-architecture'
say firmware 'if [ -d /sys/firmware/efi ]; then echo uefi; else echo bios; fi'
say guest_type 'cat /sys/hypervisor/guest_type'
say memory "awk '/^MemTotal/ { print \$2 }' /proc/meminfo"
say root 'findmnt -no SOURCE /'
say root_type 'lsblk -dno TYPE "$(findmnt -no SOURCE /)"'
say boot_target 'findmnt -no TARGET -T /boot'
say boot_root 'device=$(findmnt -no SOURCE -T /boot)
    number=$(cat "/sys/class/block/${device##*/}/partition")
    case $(lsblk -dno PTTYPE "$device") in
        gpt) echo "hd0,gpt$number" ;;
        dos) echo "hd0,msdos$number" ;;
    esac'
say next_entry "grub-editenv list | sed -n 's/^next_entry=//p'"
"""


@dataclass(frozen=True, kw_only=True)
class BootFacts:
    """As the host said it; empty where it said nothing."""

    boot_id: str
    hostname: str
    kernel: str
    """``uname -r``."""
    cmdline: str
    """Of dom0's kernel."""
    codename: str
    arch: str
    firmware: str
    """``bios`` or ``uefi``."""
    guest_type: str
    """``PV`` or ``PVH``."""
    memory: str
    """KiB that dom0 has."""
    root: str
    """The device of ``/``."""
    root_type: str
    """Such as ``lvm`` or ``part``."""
    boot_target: str
    """Where the file system with /boot is mounted: ``/boot`` if it has one of its own."""
    boot_root: str
    """What GRUB most likely calls the partition of that, on the machine's first disk."""
    next_entry: str
    """What GRUB boots next, once."""


def look(runner: Runner) -> BootFacts:
    """Ask the host; `LabError` when it does not answer."""
    said = runner.run(Command.script("host-boot-facts", _LOOK)).stdout
    found = pairs_in(said)
    return BootFacts(
        **{field.name: found.get(field.name, "").strip() for field in fields(BootFacts)}
    )


def read_menu(runner: Runner, path: str = MENU) -> str:
    """The text of GRUB's menu; `LabError` when there is none, or it is no menu of that size."""
    text = runner.run(Command.of("head", "-c", MOST_MENU + 1, path)).stdout
    if len(text) > MOST_MENU:
        msg = f"{path} is larger than 1 MiB"
        raise LabError(msg)
    return text
