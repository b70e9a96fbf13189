"""A host of hosts.yaml by its name, for verbs that look at one. Nothing is started for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from harness.flight.find import HOSTS_FILE, flights_dir
from harness.flight.inventory import Inventory, load_hosts
from harness.flight.model import HostSpec
from harness.host.xenhost import XenHost
from harness.job.reach import ssh_endpoint
from harness.remote.sshlink import SshEndpoint
from harness.testbox.machine import Testbox
from harness.testbox.warm import SavedState


def inventory() -> Inventory:
    """The hosts that are known."""
    return load_hosts(flights_dir() / HOSTS_FILE)


def endpoint_of(spec: HostSpec) -> SshEndpoint | None:
    """How to reach a host; None for a testbox that is down."""
    if not spec.testbox:
        return ssh_endpoint(spec)
    box = Testbox(spec.name, spec.testbox)
    return box.endpoint() if box.record() else None


@contextmanager
def connected(name: str | None, console: Console) -> Iterator[XenHost | None]:
    """The host called *name* in hosts.yaml, or its default; None, and a word, when it is down.

    `LabError` when a host that should be up can't be reached.
    """
    spec = inventory().get(name)
    endpoint = endpoint_of(spec)
    if endpoint is None:
        text = f"{spec.name} is a testbox, and down: {_what_of_it(spec)}"
        console.print(text, markup=False, soft_wrap=True)
        yield None
        return
    host = XenHost.connect(spec, endpoint)
    try:
        yield host
    finally:
        host.close()


def _what_of_it(spec: HostSpec) -> str:
    saved = spec.testbox and SavedState(
        directory=Testbox(spec.name, spec.testbox).paths.top, key=""
    )
    return "what it had is saved with it" if saved and saved.sealed else "there is nothing to reap"
