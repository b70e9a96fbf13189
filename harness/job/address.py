"""Finding a guest's address, or why it has none."""

from __future__ import annotations

import ipaddress
import json
from datetime import timedelta

from harness.console.shell import ConsoleShell
from harness.errors import DeadlineExceeded, GuestFailure
from harness.wait import Deadline, NotYet, wait_for

_BUSY = "finding devices"
# systemd does not wait for udev: a guest may be "running" while the event that will load its
# network driver is still in the queue (seen under emulation). With no time to wait settle only
# tells whether the queue is empty (udevadm(8)); when udevd is too busy to answer it says that it
# is, so the queue's own file is asked, too.
LOOK = (
    "ip -j address; "
    "if command -v udevadm >/dev/null && "
    "{ ! udevadm settle --timeout=0 2>/dev/null || [ -e /run/udev/queue ]; }; "
    f"then echo '{_BUSY}'; else systemctl is-system-running; fi"
)
WHY = "networkctl --no-pager 2>&1; systemctl --no-pager --failed 2>&1"
_UNFINISHED = ("initializing", "starting", _BUSY)
_GRACE = 0.25
"""Of the phase's time, for DHCP to answer once the guest says its boot is over."""


def find_address(shell: ConsoleShell, mac: str, timeout: timedelta) -> ipaddress.IPv4Address:
    """The IPv4 address of the interface with *mac*, asked of the guest itself.

    `GuestFailure`: class ``no-nic`` when no interface has that address, as soon as that is
    certain; ``no-address`` when the boot is over and still no address came.
    """
    deadline = Deadline.after(timeout, shell.console.recorder.clock)
    settled: list[Deadline] = []

    def look() -> ipaddress.IPv4Address:
        result = shell.run(LOOK, timedelta(seconds=max(5.0, deadline.remaining)))
        links, state = _parse(result.stdout)
        mine = [link for link in links if link.get("address") == mac]
        if mine and (address := _global_address(mine[0])):
            return address
        if state not in _UNFINISHED and not settled:
            settled.append(deadline.sooner(timeout * _GRACE))
        name = mine[0]["ifname"] if mine else None
        if settled and (settled[0].expired or not mine):
            raise _failure(shell, mac, name, state)
        msg = f"{name or 'no interface'} has no IPv4 address, the guest is {state!r}"
        raise NotYet(msg)

    try:
        return wait_for(look, what="an address", deadline=deadline, interval=timedelta(seconds=1))
    except DeadlineExceeded as error:
        msg = f"the guest got no address: {error}"
        raise GuestFailure(
            msg,
            phase="network",
            failure_class="no-address",
            evidence=shell.console.recorder.tail(),
        ) from error


def _parse(output: str) -> tuple[list[dict[str, object]], str]:
    """The interfaces, and what systemd says of the boot; both are on the console, in order."""
    text, _, state = output.strip().rpartition("\n")
    try:
        found = json.loads(text)
    except ValueError:
        return [], state.strip()
    return [link for link in found if isinstance(link, dict)], state.strip()


def _global_address(link: dict[str, object]) -> ipaddress.IPv4Address | None:
    infos = link.get("addr_info")
    for info in infos if isinstance(infos, list) else []:
        if info.get("family") == "inet" and info.get("scope") == "global":
            return ipaddress.IPv4Address(info["local"])
    return None


def _failure(shell: ConsoleShell, mac: str, name: object, state: str) -> GuestFailure:
    if name is None:
        msg, failure_class = f"the guest has no interface with the address {mac}", "no-nic"
    else:
        said = shell.run(WHY)
        msg = f"the guest is up ({state}), but {name} has no address: {_brief(said.stdout)}"
        failure_class = "no-address"
    return GuestFailure(
        msg,
        phase="network",
        failure_class=failure_class,
        evidence=shell.console.recorder.tail(),
    )


def _brief(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[:3])
