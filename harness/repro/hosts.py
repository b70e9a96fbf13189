"""On which host a bundle's command should run it."""

from __future__ import annotations

from harness.errors import UsageError
from harness.flight.find import HOSTS_FILE, flights_dir
from harness.flight.inventory import load_hosts
from harness.repro.origin import Origin
from harness.results.rules import host_name


def host_to_name(origin: Origin) -> str:
    """The name of the host that the job had, if hosts.yaml has it and it is not the usual one."""
    name = host_name(origin.result.hosts, origin.job)
    try:
        inventory = load_hosts(flights_dir() / HOSTS_FILE)
    except UsageError:
        return ""
    return name if name and name in inventory.hosts and name != inventory.default else ""
