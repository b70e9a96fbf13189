"""The other ends of the wires of a testbox's spare network cards: ports of dom0's bridge.

So whoever has a spare card is on the guests' network, as one in a rack would be on the lab's.
"""

from __future__ import annotations

from datetime import timedelta

from harness.remote.command import Command, Runner
from harness.testbox.qemu import WIRE_MAC
from harness.testbox.volumes import BRIDGE
from harness.wait import Deadline, NotYet, wait_for

JOIN_TIMEOUT = timedelta(minutes=2)

# As a file, so that it is so after a reboot, too. $@: MAC addresses.
SCRIPT = f"""
{{
    echo '[Match]'
    echo "MACAddress=$*"
    echo '[Network]'
    echo Bridge={BRIDGE}
}} >/etc/systemd/network/15-wires.network
networkctl reload
"""
"""Part of what a warm snapshot is, like that of the volume group."""

_PORTS = f"cat /sys/class/net/{BRIDGE}/brif/*/../address 2>/dev/null || :"


def join_wires(dom0: Runner, count: int) -> None:
    """Let the bridge have the other ends of *count* wires, from now on."""
    macs = [WIRE_MAC.format(number) for number in range(count)]
    dom0.run(Command.script("join-wires", SCRIPT, *macs))

    def joined() -> None:
        ports = dom0.run(Command.script("show-ports", _PORTS)).stdout.split()
        if missing := [mac for mac in macs if mac not in ports]:
            msg = f"{', '.join(missing)} is in no bridge yet"
            raise NotYet(msg)

    wait_for(joined, what="the wires of the spare cards", deadline=Deadline.after(JOIN_TIMEOUT))
