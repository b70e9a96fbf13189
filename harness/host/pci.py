"""PCI devices of a host that guests may have: taken for one job, and given back as they were.

Whose a device is stands on the host, in a symbolic link with the device's address that leads to
``DOMAIN/DRIVER``: made in one step, so that only one can have it, and what it says is enough to
undo all that was done, also for whoever comes after a job that died.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from harness.errors import DeadlineExceeded, LabError, Starved
from harness.host.names import RUN_DIRECTORY
from harness.pci import PCI_ADDRESS
from harness.remote.command import Command, Runner, pairs_in
from harness.wait import Deadline, NotYet, wait_for

CLAIMS = f"{RUN_DIRECTORY}/devices"
"""Where the links are."""
PCIBACK = "pciback"
"""dom0's driver for devices that guests have (linux, drivers/xen/xen-pciback)."""
NO_DRIVER = "none"
TIMEOUT = timedelta(minutes=2)
_POLL = timedelta(seconds=2)

_DRIVER = """\
device=/sys/bus/pci/devices/$2
driver() {
    if [ -e "$device/driver" ]; then basename "$(readlink "$device/driver")"; else echo none; fi
}
"""
# $1 directory, $2 address, $3 the domain's name.
_CLAIM = f"""\
{_DRIVER}
[ -e "$device" ] || {{ echo "there is no PCI device $2" >&2; exit 1; }}
mkdir -p "$1"
ln -sT "$3/$(driver)" "$1/$2" 2>/dev/null || :
owner=$(readlink "$1/$2")
[ "${{owner%/*}}" = "$3" ] || {{ echo "busy=$owner"; exit 0; }}
echo "driver=${{owner##*/}}"
for what in vendor device class; do echo "$what=$(cat "$device/$what")"; done
for net in "$device"/net/*; do
    [ -e "$net/address" ] || continue
    name=${{net##*/}}
    echo "interface=$name"
    echo "mac=$(cat "$net/address")"
    [ ! -e "$net/brport" ] || echo "used=$name is a port of a bridge"
    [ ! -e "$net/master" ] || echo "used=$name belongs to $(basename "$(readlink "$net/master")")"
    ! ip -o address show dev "$name" scope global | grep -q . || echo "used=$name has an address"
done
"""
# $2 address. What xl says stands on stderr.
_ASSIGN = f"""\
{_DRIVER}
modprobe xen-pciback 2>/dev/null || :
[ "$(driver)" = {PCIBACK} ] || xl pci-assignable-add "$2" >&2
echo "driver=$(driver)"
echo "assignable=$(xl pci-assignable-list | tr '\\n' ' ')"
"""
# $1 directory, $2 address. xl knows what its driver was from xenstore, which may have been lost.
_RETURN = f"""\
{_DRIVER}
[ -L "$1/$2" ] || exit 0
owner=$(readlink "$1/$2")
before=${{owner##*/}}
if [ "$(driver)" = {PCIBACK} ] && [ "$before" != {PCIBACK} ]; then
    if [ "$before" = {NO_DRIVER} ]; then
        xl pci-assignable-remove "$2" >&2
    else
        xl pci-assignable-remove -r "$2" >&2
    fi
fi
if [ "$(driver)" = {NO_DRIVER} ] && [ "$before" != {NO_DRIVER} ]; then
    echo "$2" >"/sys/bus/pci/drivers/$before/bind"
fi
[ "$(driver)" = "$before" ] || {{ echo "its driver is $(driver), and was $before" >&2; exit 1; }}
rm "$1/$2"
"""
# $1 address. Of a PV guest that shut down by itself libxl leaves the back end, closed (state 6 of
# xen/include/public/io/xenbus.h): it waits for one that is connected, and gives up: "Backend ...
# not ready", seen with 4.17. One whose domain is there is none of those.
_FORGET = """\
root=/local/domain/0/backend/pci
for domid in $(xenstore-list "$root" 2>/dev/null); do
    xl domname "$domid" >/dev/null 2>&1 && continue
    [ "$(xenstore-read "$root/$domid/0/dev-0" 2>/dev/null)" = "$1" ] || continue
    [ "$(xenstore-read "$root/$domid/0/state" 2>/dev/null)" = 6 ] || continue
    xenstore-rm "$root/$domid"
    echo "$domid"
done
"""
LIST_CLAIMS = f"find {CLAIMS} -type l -printf '%p %l\\n' 2>/dev/null || :"
"""Shell: each claim on a line, path and ``DOMAIN/DRIVER``."""


@dataclass(frozen=True, kw_only=True)
class PciDevice:
    """A device of a host, as dom0 saw it before a guest had it."""

    address: str
    driver: str = NO_DRIVER
    """dom0's own, which it has again afterwards."""
    vendor: str = ""
    device: str = ""
    pci_class: str = ""
    """As sysfs has the three: ``0x8086``, ``0x10d3``, ``0x020000``."""
    interface: str = ""
    mac: str = ""
    """Of a network card; both empty where dom0 had no driver for it."""


@dataclass(frozen=True, kw_only=True)
class DeviceClaim:
    """Who has a device."""

    address: str
    domain: str


def take_device(
    runner: Runner, addresses: Collection[str], domain: str, deadline: Deadline
) -> PciDevice:
    """The first of *addresses* that no other domain has, for *domain*; waits until one is free.

    `Starved` when none came free; `LabError` for one that is not there, or that dom0 uses itself.
    """
    names = ", ".join(addresses)

    def free() -> PciDevice:
        owners = []
        for address in addresses:
            found = _claim(runner, address, domain)
            if isinstance(found, PciDevice):
                return found
            owners.append(f"{address} is {found}'s")
        raise NotYet(", ".join(owners))

    try:
        return wait_for(free, what=f"a PCI device ({names})", deadline=deadline, interval=_POLL)
    except DeadlineExceeded as error:
        msg = f"{runner.name} had no PCI device to give: {error}"
        raise Starved(msg) from error


def assign_device(runner: Runner, device: PciDevice) -> None:
    """Make it assignable: from now on it is pciback's. `LabError` with xl's words if it is not."""
    command = Command.script("assign-device", _ASSIGN, CLAIMS, device.address)
    said = runner.run(command, timeout=TIMEOUT)
    facts = pairs_in(said.stdout)
    listed = device.address in facts.get("assignable", "").split()
    if facts.get("driver") != PCIBACK or not listed:
        msg = (
            f"{device.address} did not become assignable: its driver is {facts.get('driver')}, and "
            f"`xl pci-assignable-list` has {facts.get('assignable') or 'none'}; "
            f"xl said: {said.stderr.strip() or 'nothing'}"
        )
        raise LabError(msg)


def forget_backends(runner: Runner, address: str) -> tuple[int, ...]:
    """Remove what libxl left in xenstore of domains that had it and are gone; their domids."""
    said = runner.run(Command.script("forget-backends", _FORGET, address), timeout=TIMEOUT).stdout
    return tuple(int(word) for word in said.split() if word.isdecimal())


def return_device(runner: Runner, address: str) -> None:
    """Give it back to the driver that it had; well if nobody has it. `LabError` if it won't go.

    To be called when the domain is gone.
    """
    forget_backends(runner, address)
    runner.run(Command.script("return-device", _RETURN, CLAIMS, address), timeout=TIMEOUT)


def read_claims(text: str) -> list[DeviceClaim]:
    """What `LIST_CLAIMS` printed; other lines are none."""
    found = []
    for line in text.splitlines():
        path, _, owner = line.partition(" ")
        directory, _, address = path.rpartition("/")
        # It becomes part of a path on the host.
        if directory == CLAIMS and PCI_ADDRESS.fullmatch(address) and "/" in owner:
            found.append(DeviceClaim(address=address, domain=owner.rpartition("/")[0]))
    return found


def _claim(runner: Runner, address: str, domain: str) -> PciDevice | str:
    """The device, or who has it."""
    said = runner.run(Command.script("claim-device", _CLAIM, CLAIMS, address, domain)).stdout
    facts = pairs_in(said)
    if "busy" in facts:
        return facts["busy"].rpartition("/")[0]
    if "used" in facts:
        return_device(runner, address)
        msg = f"{address} is in use on {runner.name}: {facts['used']}"
        raise LabError(msg, hint="take it out of passthrough in hosts.yaml")
    return PciDevice(
        address=address,
        driver=facts["driver"],
        vendor=facts["vendor"],
        device=facts["device"],
        pci_class=facts["class"],
        interface=facts.get("interface", ""),
        mac=facts.get("mac", ""),
    )
