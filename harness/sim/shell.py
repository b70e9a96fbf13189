"""What the programs in a simulated guest say: those that the harness calls, and no others."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING

from harness.flight.faults import FaultKind
from harness.job.address import LOOK, WHY
from harness.job.pcifacts import SHOW_CARDS
from harness.job.proof import BOOT_ID
from harness.remote.command import Command
from harness.remote.outcome import NOT_FOUND
from harness.sim.cards import cards, lacks_driver
from harness.sim.request import Answer, name_of
from harness.sim.wires import pings

if TYPE_CHECKING:
    from harness.sim.guest import Machine, SimGuest

RELEASE = "6.1.0-56-cloud-amd64"
_LINK = re.compile(r"ip link set dev enX0 (?:(?P<state>up|down)|address (?P<mac>\S+))")
_CHANGES = re.compile(r"ip (?:address add|route replace) .*")
_PING = re.compile(r"ping -n -q -c (?P<count>\d+) -W \d+ (?P<address>\S+)")
_NONCE = re.compile(r"printf %s (\w+) \| sha256sum")
_NETWORKCTL = """\
IDX LINK TYPE     OPERATIONAL SETUP
  1 lo   loopback carrier     unmanaged
  2 enX0 ether    degraded    configuring

2 links listed.
"""


def run_on_console(guest: SimGuest, machine: Machine, command: str) -> tuple[str, int]:
    """What a shell command prints, and its exit status."""
    if match := _NONCE.fullmatch(command):
        return _sha256(match[1].encode()), 0
    if command == f"cat {BOOT_ID}":
        return f"{machine.boot_id}\n", 0
    if command == LOOK:
        return f"{json.dumps(links(guest, machine))}\nrunning\n", 0
    if command == SHOW_CARDS:
        return cards(machine.cards, machine.cmdline, machine.mac), 0
    if command == WHY:
        return _NETWORKCTL, 0
    if match := _LINK.fullmatch(command):
        if match["mac"]:
            guest.pretends = None if match["mac"] == machine.mac else match["mac"]
        else:
            guest.link_up = match["state"] == "up"
        return "", 0
    if _CHANGES.fullmatch(command):
        return "", 0
    if match := _PING.fullmatch(command):
        address = match["address"]
        answer = pings(address, int(match["count"]), 56, guest.reaches(address))
        return answer.stdout, answer.status
    return f"sh: 1: {command.split()[0]}: not found\n", NOT_FOUND


def run_over_ssh(
    guest: SimGuest, machine: Machine, command: Command, stdin: bytes, kept: dict[str, bytes]
) -> Answer:
    """How a command over SSH ends. *kept* are the files that it may leave in memory."""
    corrupt = b"\0" if guest.strikes(FaultKind.CORRUPT_DATA) else b""
    match name_of(command), command.argv:
        case "true", _:
            return Answer()
        case "false", _:
            return Answer(status=1)
        case "sha256sum", _:
            return Answer(stdout=_sha256(stdin))
        case "cat", (_, path) if path == BOOT_ID:
            other = guest.strikes(FaultKind.OTHER_BOOT)
            return Answer(stdout=f"{machine.boot_id[::-1] if other else machine.boot_id}\n")
        case "uname", _:
            return Answer(stdout=f"{RELEASE}\n")
        case "receive-bulk", _:
            kept["bulk"] = corrupt + stdin[len(corrupt) :]
            return Answer(stdout=_sha256(kept["bulk"]), seconds=0.5)
        case "send-bulk", _ if "bulk" in kept:
            return Answer(stdout=base64.b64encode(kept.pop("bulk")).decode(), seconds=0.5)
    said = f"sh: 1: {command.argv[0]}: not found\n"
    return Answer(stderr=said, status=NOT_FOUND)


def links(guest: SimGuest, machine: Machine) -> list[dict[str, object]]:
    """Its network interfaces, as ``ip -j address`` tells of them."""
    here = {"family": "inet", "local": "127.0.0.1", "prefixlen": 8, "scope": "host"}
    found: list[dict[str, object]] = [
        {"ifname": "lo", "address": "00:00:00:00:00:00", "addr_info": [here]}
    ]
    if not guest.strikes(FaultKind.NO_NIC) and not lacks_driver(machine.cmdline, machine.cards):
        own = {"family": "inet", "local": machine.address, "prefixlen": 24, "scope": "global"}
        addresses = [own] if guest.has_address else []
        found.append({"ifname": "enX0", "address": machine.mac, "addr_info": addresses})
    return found


def _sha256(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}  -\n"
