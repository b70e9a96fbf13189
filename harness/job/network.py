"""What guests and dom0 are made to do with a network: addresses, pings, data, bandwidth."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from harness.errors import DeadlineExceeded, LabError
from harness.job.guest import GuestUnderTest
from harness.job.proof import LOSS
from harness.remote.command import Command, CommandResult
from harness.wait import Deadline, NotYet, wait_for

PORT = 5202
PING_TIMEOUT = timedelta(seconds=90)
COMES_BACK = timedelta(seconds=60)
"""For a network that was taken away to be used again, on hardware: bridges learn, TCP asks again
when about as long has passed as it was away."""
BANDWIDTH_TIMEOUT = timedelta(seconds=90)
BULK_TIMEOUT = timedelta(minutes=2)

# Not -w, with which it goes on until that many have come back (ping(8)). $1 family, $2 count,
# $3 bytes, $4 address, $5 whether they may be taken apart.
_PING = 'ping "-$1" -n -q -i 0.2 -c "$2" -s "$3" -W 10 ${5:+-M "$5"} -- "$4"'
# $1 family, $2 port. It hears one sender, to its end.
_RECEIVE = """
rm -f /run/xenflight-received
nohup sh -c 'timeout 300 socat -u "TCP$0-LISTEN:$1,reuseaddr" STDOUT | sha256sum \\
    >/run/xenflight-received.new; mv /run/xenflight-received.new /run/xenflight-received' \\
    "$1" "$2" >/dev/null 2>&1 </dev/null &
"""
# Who listens may not be ready. $1 family, $2 address, $3 port, $4 MiB. What was sent, by SHA-256.
_SEND = """
dd if=/dev/urandom of=/dev/shm/xenflight-sent bs=1M count="$4" status=none
tries=0
until socat -u FILE:/dev/shm/xenflight-sent "TCP$1:$2:$3" 2>/run/xenflight-socat; do
    tries=$((tries + 1))
    [ $tries -lt 20 ] || { cat /run/xenflight-socat >&2; exit 1; }
    sleep 0.5
done
sha256sum </dev/shm/xenflight-sent
rm /dev/shm/xenflight-sent
"""
_RECEIVED = "cat /run/xenflight-received 2>/dev/null || echo nothing"
# $1 port. One client, then it ends.
_SERVE = 'iperf3 --server --one-off --daemon --port "$1"'
# $1 address, $2 port, $3 seconds, $4 the direction.
_MEASURE = """
tries=0
until iperf3 --client "$1" --port "$2" --time "$3" --json ${4:+"$4"} >/run/xenflight-iperf; do
    tries=$((tries + 1))
    [ $tries -lt 10 ] || { cat /run/xenflight-iperf >&2; exit 1; }
    sleep 0.5
done
cat /run/xenflight-iperf
"""
_SESSION = 'echo "$SSH_CONNECTION"'


@dataclass(frozen=True, kw_only=True)
class Link:
    """An interface, as the guest itself tells of it."""

    name: str
    mtu: int
    ipv4: str = ""
    dynamic: bool = False
    """Whether somebody lent it that address, for a while."""
    link_local: str = ""
    """Its IPv6 address that is good on this network only."""
    ipv6: str = ""


def link_of(guest: GuestUnderTest) -> Link:
    """The guest's interface; `GuestFailure` (``no-nic``) when it has none of its MAC address."""
    links = json.loads(guest.ssh.run(Command.script("show-links", "ip -j address")).stdout)
    mine = next((one for one in links if one.get("address") == guest.mac), None)
    if mine is None:
        msg = f"it has no interface with the address {guest.mac}"
        raise guest.failure(msg, "look", "no-nic")
    found: dict[str, str] = {}
    dynamic = False
    for info in mine.get("addr_info", []):
        kind = {("inet", "global"): "ipv4", ("inet6", "link"): "link_local"}
        kind[("inet6", "global")] = "ipv6"
        name = kind.get((info.get("family"), info.get("scope")))
        if name and not info.get("tentative"):
            found.setdefault(name, info["local"])
            dynamic = dynamic or (name == "ipv4" and bool(info.get("dynamic")))
    return Link(name=mine["ifname"], mtu=int(mine.get("mtu", 0)), dynamic=dynamic, **found)


def ping_command(address: str, *, count: int = 10, size: int = 56, whole: bool = False) -> Command:
    """So many pings of *size* bytes each, in one packet each if *whole*."""
    family = 6 if ":" in address else 4
    words = (family, count, size, address, "do" if whole else "")
    return Command.script("ping-address", _PING, *words)


def lost(result: CommandResult) -> float:
    """How many percent of the pings; all of them when ping could not even begin."""
    found = LOSS.search(result.stdout)
    return float(found[1]) if found else 100.0


def prove_pings(
    guest: GuestUnderTest, other: str, address: str, *, size: int = 56, whole: bool = False
) -> None:
    """*guest* pings *other* at *address*, and none is lost."""
    with guest.step.phase(f"ping {other}"):
        result = guest.ssh.run(
            ping_command(address, size=size, whole=whole), check=False, timeout=PING_TIMEOUT
        )
    if lost(result):
        said = (result.stderr or result.stdout).strip()[-300:]
        msg = (
            f"{lost(result):g} % of its pings of {size} bytes to {other} ({address}) were lost: "
            f"{said!r}"
        )
        raise guest.failure(msg, "ping", "packet-loss")


def dom0_pings(guest: GuestUnderTest, count: int = 3) -> float:
    """How many percent of dom0's pings to it are lost."""
    command = ping_command(guest.recall("guest_ip"), count=count)
    return lost(guest.host.runner.run(command, check=False, timeout=PING_TIMEOUT))


def await_pings(guest: GuestUnderTest, failure_class: str) -> None:
    """Wait until dom0 gets its pings back; `GuestFailure` of that class when it does not."""

    def there() -> None:
        if share := dom0_pings(guest):
            msg = f"{share:g} % were lost"
            raise NotYet(msg)

    await_network(guest, there, f"pings to {guest.recall('guest_ip')}", failure_class)


def await_network(
    guest: GuestUnderTest, look: Callable[[], None], what: str, failure_class: str
) -> None:
    """Wait for *look* not to say `NotYet`."""
    with guest.waiting():
        deadline = Deadline.after(guest.stretched(COMES_BACK))
        try:
            wait_for(look, what=what, deadline=deadline, interval=timedelta(seconds=1))
        except DeadlineExceeded as error:
            raise guest.failure(error.message, "network", failure_class) from error


def send(sender: GuestUnderTest, receiver: GuestUnderTest, address: str, mib: int) -> None:
    """Have one send random data to the other over TCP; `GuestFailure` when others arrive."""
    family = 6 if ":" in address else 4
    shown = f"[{address}]" if family == 6 else address
    with sender.step.phase("send"):
        receiver.ssh.run(Command.script("receive-data", _RECEIVE, family, PORT))
        command = Command.script("send-data", _SEND, family, shown, PORT, mib)
        sent = sender.ssh.run(command, timeout=sender.stretched(BULK_TIMEOUT)).stdout.split()[0]
        found = ""

        def arrived() -> None:
            nonlocal found
            found = receiver.ssh.run(Command.script("received-data", _RECEIVED)).stdout.split()[0]
            if found == "nothing":
                raise NotYet(found)

        await_network(receiver, arrived, "what was sent", "data-lost")
    if sent != found:
        msg = f"{mib} MiB over TCP to {address}: SHA-256 {sent} was sent, and {found} arrived"
        raise sender.failure(msg, "send", "corrupt-data")


def measure(
    client: GuestUnderTest, server: GuestUnderTest, seconds: int, *, back: bool = False
) -> int:
    """Bits per second over TCP, as iperf3 finds them: to the server, or *back* from it."""
    address = link_of(server).ipv4
    server.ssh.run(Command.script("serve-iperf", _SERVE, PORT))
    command = Command.script(
        "run-iperf", _MEASURE, address, PORT, seconds, "--reverse" if back else ""
    )
    said = client.ssh.run(command, timeout=client.stretched(BANDWIDTH_TIMEOUT)).stdout
    try:
        return int(json.loads(said)["end"]["sum_received"]["bits_per_second"])
    except (ValueError, KeyError, TypeError) as error:
        msg = f"iperf3's answer cannot be read: {said[:200]!r}"
        raise LabError(msg) from error


def session(guest: GuestUnderTest) -> str:
    """Both ends of the TCP session that SSH is: it can't be another with the same ports."""
    command = Command.script("show-session", _SESSION)
    return guest.ssh.run(command, timeout=guest.stretched(COMES_BACK)).stdout.strip()
