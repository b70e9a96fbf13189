"""The network of a simulated guest, from within and from dom0 (`harness.job.network`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping

from harness.sim.host import SimHost
from harness.sim.inside import Inside
from harness.sim.request import Answer, Handler, Request
from harness.sim.wires import NO_IPV6, answering, link_local, pings, reaches

_NAME = "enX0"
_RECEIVED, _LISTENS = "/run/xenflight-received", "listens"


def ping_from_dom0(host: SimHost, request: Request) -> Answer:
    """The script of `harness.job.network`, in dom0."""
    _, count, size, address, _ = request.words
    return pings(address, int(count), int(size), reaches(host, address))


def show_neighbours(host: SimHost, request: Request) -> Answer:
    """``ip neigh``."""
    del request
    lines = [
        f"{machine.address} lladdr {machine.mac} REACHABLE\n"
        for domain in host.domains.values()
        if (machine := domain.guest.machine) and domain.guest.has_address
    ]
    return Answer(stdout="".join(lines))


def show_mac_rules(host: SimHost, request: Request) -> Answer:
    """The rules about an interface and its MAC address."""
    vif, mac = request.words
    rule = f'iifname "{vif}" ether saddr != {mac} drop\n'
    return Answer(stdout=rule if host.checks_macs else "")


def set_link(host: SimHost, request: Request) -> Answer:
    """``ip link set`` up or down."""
    name, state = request.words
    if name not in host.interfaces:
        return Answer(stderr=f'Cannot find device "{name}"\n', status=1)
    (host.taken_down.add if state == "down" else host.taken_down.discard)(name)
    return Answer()


def _show_links(it: Inside) -> Answer:
    here = {"family": "inet", "local": "127.0.0.1", "prefixlen": 8, "scope": "host"}
    lo = {"ifname": "lo", "mtu": 65536, "address": "00:00:00:00:00:00", "addr_info": [here]}
    info: list[dict[str, object]] = []
    if it.guest.has_address:
        lent = {"scope": "global", "dynamic": True, "valid_life_time": 3000}
        info.append({"family": "inet", "local": it.machine.address, **lent})
    if NO_IPV6 not in it.machine.cmdline:
        info.append({"family": "inet6", "local": link_local(it.machine.mac), "scope": "link"})
    own = {"ifname": _NAME, "mtu": 1500, "address": it.machine.mac, "addr_info": info}
    return Answer(stdout=f"{json.dumps([lo, own])}\n")


def _ping(it: Inside) -> Answer:
    _, count, size, address, _ = it.words
    return pings(address, int(count), int(size), it.guest.reaches(address))


def _receive(it: Inside) -> Answer:
    it.guest.in_memory.pop(_RECEIVED, None)
    it.guest.in_memory[_LISTENS] = b"yes"
    return Answer()


def _send(it: Inside) -> Answer:
    address = it.words[1].strip("[]").partition("%")[0]
    other = answering(it.host, address)
    if other is None or not other.in_memory.pop(_LISTENS, None):
        said = f"socat[612] E connect(5, AF=2 {address}:{it.words[2]}, 16): Connection refused\n"
        return Answer(stderr=said, status=1)
    word = f"sent {it.host.next_process()}".encode()
    other.in_memory[_RECEIVED] = word
    return Answer(stdout=_sha256(word), seconds=1.0)


def _received(it: Inside) -> Answer:
    found = it.guest.in_memory.get(_RECEIVED)
    return Answer(stdout=_sha256(found) if found else "nothing\n")


def _run_iperf(it: Inside) -> Answer:
    bits = {"bits_per_second": 941_000_000.4}
    return Answer(stdout=json.dumps({"end": {"sum_received": bits}}), seconds=float(it.words[2]))


def _session(it: Inside) -> Answer:
    return Answer(stdout=f"{it.session}\n")


def _nothing(it: Inside) -> Answer:
    del it
    return Answer()


def _sha256(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}  -\n"


IN_GUEST_NET: Mapping[str, Callable[[Inside], Answer]] = {
    "show-links": _show_links,
    "ping-address": _ping,
    "receive-data": _receive,
    "send-data": _send,
    "received-data": _received,
    "serve-iperf": _nothing,
    "run-iperf": _run_iperf,
    "show-session": _session,
    "socat": _nothing,
    "iperf3": _nothing,
}

PROGRAMS: Mapping[str, Handler] = {
    "ping-address": ping_from_dom0,
    "show-neighbours": show_neighbours,
    "show-mac-rules": show_mac_rules,
    "set-link": set_link,
}
