"""What `xenflight reap` does. Imported when it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from harness.errors import UsageError
from harness.flight.find import HOSTS_FILE, flights_dir
from harness.flight.hints import did_you_mean
from harness.flight.inventory import load_hosts
from harness.flight.model import HostSpec
from harness.host.reaper import Leftovers, find_dead, inventory, reap_dead, reap_kept
from harness.host.xenhost import XenHost
from harness.job.reach import ssh_endpoint
from harness.job.secrets import FlightSecrets
from harness.remote.sshlink import SshEndpoint
from harness.testbox.machine import Testbox
from harness.testbox.warm import SavedState


@contextmanager
def connected(name: str | None, console: Console) -> Iterator[XenHost | None]:
    """The host called *name* in hosts.yaml, or its default; None, and a word, when it is down.

    `LabError` when a host that should be up can't be reached.
    """
    spec = load_hosts(flights_dir() / HOSTS_FILE).get(name)
    endpoint = _endpoint(spec, console)
    if endpoint is None:
        yield None
        return
    host = XenHost.connect(spec, endpoint)
    try:
        yield host
    finally:
        host.close()


def show(host: XenHost, console: Console, *, kept: str | None) -> None:
    """Say what would be removed, and what only its operator removes."""
    dead = find_dead(host)
    for left in dead:
        _say(console, f"{host.name}: would remove what flight {left.run} left: {left}")
    if kept:
        jobs = ", ".join(_kept(host, kept).kept_jobs)
        _say(console, f"{host.name}: would remove what flight {kept} kept: {jobs}")
    elif not dead:
        _say(console, f"{host.name}: nothing to reap")
    _say_kept(host, console, but=kept)


def remove_dead(host: XenHost, console: Console) -> None:
    """Remove what dead flights left. `LabError` names what would not go."""
    removed = reap_dead(host)
    for left in removed:
        FlightSecrets.of(left.run).remove()
        _say(console, f"{host.name}: removed what flight {left.run} left: {left}")
    if not removed:
        _say(console, f"{host.name}: nothing to reap")
    _say_kept(host, console)


def remove_kept(host: XenHost, run: str, console: Console) -> None:
    """Remove the guests that the flight *run* kept, and its key and password."""
    _kept(host, run)
    left = reap_kept(host, run)
    FlightSecrets.of(run).remove()
    _say(console, f"{host.name}: removed what flight {run} kept: {left}")


def _kept(host: XenHost, run: str) -> Leftovers:
    """What the flight *run* kept; `UsageError` when that is nothing."""
    keepers = {left.run: left for left in inventory(host).values() if left.kept_jobs}
    if run not in keepers:
        msg = f"flight {run!r} kept nothing on {host.name}{did_you_mean(run, keepers)}"
        raise UsageError(msg)
    return keepers[run]


def _say_kept(host: XenHost, console: Console, *, but: str | None = None) -> None:
    for left in inventory(host).values():
        if left.kept_jobs and left.run != but:
            jobs = ", ".join(left.kept_jobs)
            _say(console, f"{host.name}: kept for you: {jobs}; --kept {left.run} removes that")


def _endpoint(spec: HostSpec, console: Console) -> SshEndpoint | None:
    if not spec.testbox:
        return ssh_endpoint(spec)
    box = Testbox(spec.name, spec.testbox)
    if box.record():
        return box.endpoint()
    saved = SavedState(directory=box.paths.top, key="").sealed
    what = "what it had is saved with it" if saved else "there is nothing to reap"
    _say(console, f"{spec.name} is a testbox, and down: {what}")
    return None


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
