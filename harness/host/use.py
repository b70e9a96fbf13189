"""Who else uses a host: other flights' leases, and domains that are not ours.

Asked while the host answers, since it is needed when it does not any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.host.names import run_of_domain
from harness.host.slots import read_slots
from harness.host.xenhost import XenHost
from harness.remote.command import Command

BOOT_ID = Command.of("cat", "/proc/sys/kernel/random/boot_id")
"""A random id that the kernel makes anew at every boot: random(4)."""
_NOBODYS = ("Xenstore", "(null)")
"""xenstored's own domain, where it has one; and one that is nearly gone."""


@dataclass(frozen=True, kw_only=True)
class HostUse:
    """What was found."""

    boot: str
    """The boot id of dom0."""
    others: tuple[str, ...]
    """In words, each thing that is none of the flight's own."""


def find_use(host: XenHost, run: str) -> HostUse:
    """Ask *host* who uses it beside the flight *run*; `LabError` when it does not answer."""
    held = read_slots(host.runner).held
    others = [str(holder) for holder in held if holder.flight != run]
    others += [
        f"domain {domain.name}"
        for domain in host.xl.list()
        if domain.domid != 0 and domain.name not in _NOBODYS and run_of_domain(domain.name) != run
    ]
    return HostUse(boot=boot_id(host), others=tuple(others))


def boot_id(host: XenHost) -> str:
    """Which boot of dom0 this is."""
    return host.runner.run(BOOT_ID).stdout.strip()
