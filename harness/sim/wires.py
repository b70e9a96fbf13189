"""Who can reach whom on the network of a simulated host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.sim.request import Answer

if TYPE_CHECKING:
    from harness.sim.guest import Machine, SimGuest
    from harness.sim.host import SimHost

NO_IPV6 = "ipv6.disable=1"
"""With that a guest's kernel has none (kernel-parameters.txt)."""
DOM0 = "10.77.0.1"
_PING = """\
PING {address} ({address}) {size} data bytes

--- {address} ping statistics ---
{sent} packets transmitted, {back} received, {lost}% packet loss, time {time}ms
"""


def link_local(mac: str) -> str:
    """The IPv6 address that an interface gives itself (RFC 4291, appendix A)."""
    one, two, three, four, five, six = (int(byte, 16) for byte in mac.split(":"))
    return f"fe80::{one ^ 2:x}{two:02x}:{three:02x}ff:fe{four:02x}:{five:02x}{six:02x}"


def talks(host: SimHost, guest: SimGuest) -> bool:
    """Whether packets come and go."""
    machine = guest.machine
    if machine is None or not guest.has_address or not guest.link_up:
        return False
    domain = next((one for one in host.domains.values() if one.guest is guest), None)
    if domain is None or f"vif{domain.domid}.0" in host.taken_down:
        return False
    return guest.pretends is None or not host.checks_macs


def reaches(host: SimHost, address: str) -> bool:
    """Whether somebody answers there: dom0, or a guest that talks."""
    return address == DOM0 or answering(host, address.partition("%")[0]) is not None


def answering(host: SimHost, address: str) -> SimGuest | None:
    """The guest that has that address, if it talks."""
    for domain in host.domains.values():
        machine = domain.guest.machine
        if machine and address in _addresses(machine) and talks(host, domain.guest):
            return domain.guest
    return None


def pings(address: str, count: int, size: int, heard: bool) -> Answer:
    """What ping says of so many, heard all or none."""
    back = count if heard else 0
    text = _PING.format(
        address=address,
        size=size,
        sent=count,
        back=back,
        lost=0 if heard else 100,
        time=200 * (count - 1),
    )
    return Answer(stdout=text, status=0 if heard else 1, seconds=0.2 * count)


def _addresses(machine: Machine) -> tuple[str, ...]:
    own = () if NO_IPV6 in machine.cmdline else (link_local(machine.mac),)
    return (machine.address, *own)
