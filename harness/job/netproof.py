"""Proofs about a guest's network: addresses, two guests that talk, cables that are pulled.

What is told by one side is looked for at another: in dom0, in the other guest, on the console.
"""

from __future__ import annotations

from harness.errors import NotApplicable
from harness.job.address import find_address
from harness.job.guest import GuestUnderTest
from harness.job.network import (
    PING_TIMEOUT,
    Link,
    await_pings,
    dom0_pings,
    link_of,
    measure,
    prove_pings,
    send,
    session,
)
from harness.job.proof import prove_console, prove_gone, prove_network, prove_over_ssh
from harness.job.ready import ready, require_program
from harness.job.teardown import what_is_left
from harness.remote.command import Command

BULK = 8
"""MiB that one guest sends the other."""
SECONDS = 5
"""That the bandwidth is measured for."""
HEADERS = {4: 28, 6: 48}
"""Bytes of IP and ICMP before a ping's own (RFC 791, 792, 4443, 8200)."""
# What dom0 knows of who has an address: $1 bridge.
_NEIGHBOURS = 'ip neigh show dev "$1"'
# The rules by which dom0 may keep a guest to its own MAC address: in nftables' bridge family, or
# ebtables. Those that name its interface, or the address. $1 interface, $2 MAC address.
_RULES = """
{ nft list ruleset bridge; ebtables-legacy -L || ebtables -L; } 2>/dev/null |
    grep -i -e "$1" -e "$2" || :
"""
# $1 interface, $2 up or down.
_SET_LINK = 'ip link set dev "$1" "$2"'


def prove_dhcp(guest: GuestUnderTest) -> None:
    """Its address was lent to it, and the bridge knows the address for its MAC address."""
    ready(guest)
    link = link_of(guest)
    if not link.ipv4 or not link.dynamic:
        msg = f"{link.name} has the address {link.ipv4 or 'none'}, and none from DHCP"
        raise guest.failure(msg, "look", "no-lease")
    if link.ipv4 != guest.recall("guest_ip"):
        msg = f"{link.name} has {link.ipv4}, and was reached at {guest.recall('guest_ip')}"
        raise guest.failure(msg, "look", "other-address")
    command = Command.script("show-neighbours", _NEIGHBOURS, guest.host.bridge)
    known = guest.host.runner.run(command).stdout
    lines = [line.split() for line in known.splitlines()]
    macs = {words[2] for words in lines if words[0] == link.ipv4 and "lladdr" in words}
    if macs != {guest.mac}:
        found = ", ".join(sorted(macs)) or "nobody"
        msg = f"{guest.host.name} knows {link.ipv4} as that of {found}, and not of {guest.mac}"
        raise guest.failure(msg, "look", "other-mac")
    guest.remember("interface", link.name)


def prove_ipv4(guest: GuestUnderTest) -> None:
    """Nothing is lost between it and dom0, either way, nor any byte; nor in the largest packets."""
    ready(guest)
    prove_network(guest)
    link, gateway = link_of(guest), _host_end(guest)
    prove_pings(guest, "dom0", gateway)
    prove_pings(guest, "dom0", gateway, size=link.mtu - HEADERS[4], whole=True)


def add_neighbour(guest: GuestUnderTest) -> None:
    """A second guest comes up beside it, and is none of its doubles."""
    guest.require_neighbour()
    ready(guest)
    other = guest.add_neighbour()
    other.create()
    other.boot()
    prove_console(other)
    other.connect()
    prove_over_ssh(other)
    for what in ("boot_id", "guest_ip", "mac"):
        if other.recall(what) == guest.recall(what):
            msg = f"it and its neighbour have the same {what}: {other.recall(what)}"
            raise guest.failure(msg, "neighbour", "doubles")
    guest.remember("neighbour_ip", other.recall("guest_ip"))
    # What the two have each is told apart in the runvars; here its own stand again.
    guest.remember("guest_ip", guest.recall("guest_ip"))


def prove_peers(guest: GuestUnderTest) -> None:
    """The two talk to each other over IPv4, in both directions, and no byte is another."""
    other = _with_neighbour(guest)
    require_program(guest, "socat", "-V")
    here, there = link_of(guest), link_of(other)
    prove_pings(guest, "its neighbour", there.ipv4)
    prove_pings(other, "the first guest", here.ipv4)
    send(guest, other, there.ipv4, BULK)
    send(other, guest, here.ipv4, BULK)


def prove_ipv6(guest: GuestUnderTest) -> None:
    """The same over IPv6, with the addresses that every interface has by itself."""
    other = _with_neighbour(guest)
    require_program(guest, "socat", "-V")
    here, there = link_of(guest), link_of(other)
    for one, link in ((guest, here), (other, there)):
        if not link.link_local:
            whose = "its" if one is guest else "its neighbour's"
            msg = f"{whose} {link.name} has no IPv6 address, not even a link-local one"
            raise one.failure(msg, "look", "no-ipv6")
    guest.remember("ipv6", here.ipv6 or "link-local only")
    prove_pings(guest, "its neighbour", _scoped(there.link_local, here))
    prove_pings(other, "the first guest", _scoped(here.link_local, there))
    whole = here.mtu - HEADERS[6]
    prove_pings(guest, "its neighbour", _scoped(there.link_local, here), size=whole, whole=True)
    send(guest, other, _scoped(there.link_local, here), BULK)
    send(other, guest, _scoped(here.link_local, there), BULK)


def measure_bandwidth(guest: GuestUnderTest) -> None:
    """How much goes over TCP from one guest to the other; told, and never judged."""
    other = _with_neighbour(guest)
    require_program(guest, "iperf3", "--version")
    for name, back in (("bandwidth_out", False), ("bandwidth_in", True)):
        with guest.step.phase(name):
            bits = measure(guest, other, SECONDS, back=back)
        guest.remember(name, f"{bits / 1e6:.0f} Mbit/s")


def prove_vif_outside(guest: GuestUnderTest) -> None:
    """dom0 takes its end of the cable down: nothing comes through; up again, all goes on."""
    ready(guest)
    before, vif = session(guest), f"vif{guest.domain.domid}.0"
    with guest.step.phase("down"):
        _set_link(guest, vif, "down")
        _nothing_comes(guest, f"{vif} is down in dom0")
    with guest.step.phase("up"):
        _set_link(guest, vif, "up")
        await_pings(guest, "stays-down")
        after = session(guest)
    if before != after:
        msg = f"its TCP session is another: {before!r} before, {after!r} after"
        raise guest.failure(msg, "up", "tcp-lost")


def prove_vif_inside(guest: GuestUnderTest) -> None:
    """It takes its own end down, and up again: it asks for its address anew, and is reached."""
    ready(guest)
    link = link_of(guest)
    with guest.step.phase("down"):
        guest.shell.run(f"ip link set dev {link.name} down")
        _nothing_comes(guest, f"{link.name} is down")
    with guest.step.phase("up"):
        guest.shell.run(f"ip link set dev {link.name} up")
        _address_again(guest)


def prove_no_spoofing(guest: GuestUnderTest) -> None:
    """Where dom0 has a rule for it, a guest cannot talk under another MAC address."""
    ready(guest)
    vif, link = f"vif{guest.domain.domid}.0", link_of(guest)
    command = Command.script("show-mac-rules", _RULES, vif, guest.mac)
    rules = guest.host.runner.run(command).stdout.strip()
    if not rules:
        msg = (
            f"{guest.host.name} has no rule about {vif} (nftables' bridge family, ebtables): "
            "guests there may use any MAC address"
        )
        raise NotApplicable(msg)
    guest.step.facts["rules"] = rules
    gateway, own = _host_end(guest), guest.recall("guest_ip")
    with guest.step.phase("pretend"):
        _set_mac(guest, link.name, guest.spare_mac)
        # DHCP may have lent it another by now.
        guest.shell.run(f"ip address add {own}/32 dev {link.name}")
        guest.shell.run(f"ip route replace {gateway} dev {link.name} src {own}")
        said = guest.shell.run(f"ping -n -q -c 3 -W 10 {gateway}", PING_TIMEOUT).stdout
    if "100% packet loss" not in said:
        msg = f"under the MAC address {guest.spare_mac} it was answered: {said.strip()[-300:]!r}"
        raise guest.failure(msg, "pretend", "spoofed")
    with guest.step.phase("back"):
        _set_mac(guest, link.name, guest.mac)
        _address_again(guest)


def prove_both_gone(guest: GuestUnderTest) -> None:
    """Remove both, and find nothing of them on the host."""
    other = guest.neighbour if guest.has_neighbour else None
    prove_gone(guest)
    if other and (left := what_is_left(guest.host, other.domain, ())):
        msg = f"still on {guest.host.name}: {', '.join(left)}"
        raise guest.failure(msg, "gone", "leftover")


# -- small parts ---------------------------------------------------------------------------


def _address_again(guest: GuestUnderTest) -> None:
    """It has the address that it had, and is reached there."""
    before = guest.recall("guest_ip")
    timeout = guest.stretched(guest.spec.timeouts["network"])
    with guest.waiting():
        address = str(find_address(guest.shell, guest.mac, timeout))
    if address != before:
        msg = f"it had {before}, and now it has {address}"
        raise guest.failure(msg, "network", "other-address")
    await_pings(guest, "stays-down")
    guest.connect()
    prove_over_ssh(guest)


def _set_mac(guest: GuestUnderTest, name: str, mac: str) -> None:
    """Over the console: the interface is down for that."""
    guest.shell.run(f"ip link set dev {name} down")
    guest.shell.run(f"ip link set dev {name} address {mac}")
    guest.shell.run(f"ip link set dev {name} up")


def _with_neighbour(guest: GuestUnderTest) -> GuestUnderTest:
    """The second guest, made if an earlier step did not."""
    guest.require_neighbour()
    if not guest.has_neighbour:
        add_neighbour(guest)
    return guest.neighbour


def _host_end(guest: GuestUnderTest) -> str:
    """dom0's address on the guests' network: the one from which SSH comes."""
    return session(guest).split()[0]


def _scoped(address: str, link: Link) -> str:
    """A link-local address, with the interface over which it is reached (RFC 4007)."""
    return f"{address}%{link.name}"


def _set_link(guest: GuestUnderTest, vif: str, state: str) -> None:
    guest.host.runner.run(Command.script("set-link", _SET_LINK, vif, state))


def _nothing_comes(guest: GuestUnderTest, why: str) -> None:
    share = dom0_pings(guest)
    if share < 100:
        msg = f"{why}, and {100 - share:g} % of dom0's pings came back"
        raise guest.failure(msg, "down", "still-talks")
