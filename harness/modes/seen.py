"""What a guest sees of its machine: asked of the guest itself, in one script."""

from __future__ import annotations

from dataclasses import dataclass, fields

from harness.errors import GuestFailure
from harness.remote.command import Command, pairs_in

# sysfs has each device below the one that it hangs on, so the drivers of a disk or an interface
# are those of its ancestors: "vbd" of Xen, or "sd" and "ahci".
# /sys/hypervisor: Documentation/ABI/stable/sysfs-hypervisor-xen.
_LOOK = r"""
say() { printf '%s=%s\n' "$1" "$(echo $2)"; }
first() { cat "$1" 2>/dev/null || :; }
drivers() {
    at=$(readlink -f "$1")
    while [ -n "$at" ] && [ "$at" != /sys/devices ]; do
        if [ -e "$at/driver" ]; then basename "$(readlink -f "$at/driver")"; fi
        at=${at%/*}
    done
}
say hypervisor "$(first /sys/hypervisor/type)"
say guest_type "$(first /sys/hypervisor/guest_type)"
say kernel_says "$(dmesg | sed -n 's/^.*Booting \(paravirtualized \)*kernel on //p')"
say unplugged "$(dmesg | grep -c 'unplug' || :)"
say console "$(first /sys/class/tty/console/active)"
clocks=/sys/devices/system/clocksource/clocksource0
say clock "$(first $clocks/current_clocksource)"
say clocks "$(first $clocks/available_clocksource)"
say disk_drivers "$(drivers "/sys/dev/block/$(mountpoint -d /)")"
for net in /sys/class/net/*; do
    if [ "$(first "$net/address")" = "$1" ]; then
        say interface "${net##*/}"
        say net_drivers "$(drivers "$net/device")"
    fi
done
say xen_devices "$(ls /sys/bus/xen/devices 2>/dev/null)"
say pci_devices "$(ls /sys/bus/pci/devices 2>/dev/null | wc -l)"
say interrupts "$(awk 'NR > 1 && $1 ~ /^[0-9]+:/ { print $(NF > 4 ? FIRST : NF) }' \
    FIRST="$(($(grep -c ^processor /proc/cpuinfo) + 2))" /proc/interrupts | sort -u)"
"""
COMMAND = "look-at-machine"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A machine from inside. Words are separated by spaces; empty: there is none."""

    hypervisor: str = ""
    """What sysfs calls the hypervisor: ``xen``."""
    guest_type: str = ""
    """What the kernel takes itself for: ``PV``, ``PVH``, ``HVM``."""
    kernel_says: str = ""
    """What the kernel's log says that it boots on: ``Xen PVH``, ``bare hardware``."""
    unplugged: str = ""
    """How many lines of the log are about emulated devices that were unplugged."""
    console: str = ""
    """Its consoles, the last one first in rank."""
    clock: str = ""
    clocks: str = ""
    """The clock source in use, and those that there are."""
    disk_drivers: str = ""
    """The drivers of the disk with the root file system, from the disk to the bus."""
    interface: str = ""
    net_drivers: str = ""
    xen_devices: str = ""
    """What is on Xen's own bus: ``vbd-51712``, ``vif-0``."""
    pci_devices: str = ""
    """How many there are."""
    interrupts: str = ""
    """What the interrupts come from: ``xen-dyn``, ``IO-APIC``, ``PCI-MSI``."""


def look_command(mac: str) -> Command:
    """What is run in the guest; *mac* is its interface's."""
    return Command.script(COMMAND, _LOOK, mac)


def parse_seen(text: str) -> Seen:
    """What the command printed; `GuestFailure` when that is not what it prints."""
    pairs = pairs_in(text)
    known = {field.name for field in fields(Seen)}
    # A guest without its interface could not have been asked.
    if not {"clock", "disk_drivers", "net_drivers"} <= pairs.keys() <= known:
        msg = f"asked what machine it is on, the guest said {text[:200]!r}"
        raise GuestFailure(msg, phase="look", failure_class="command-failed")
    return Seen(**pairs)
