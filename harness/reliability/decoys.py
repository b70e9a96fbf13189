"""Things of others that look like ours, to see that nobody of ours touches them.

Volumes and domains whose names are ours but for a letter; volumes with all our tags but one; files
beside our own; a mount and a loop device; and what a flight owns that still runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import resources

from harness.host.lock import take_lock
from harness.host.xenhost import XenHost
from harness.remote.command import Command
from harness.wait import Deadline

ALIVE = "xf-decoy-alive"
"""The flight that some of them belong to, and that seems to run as long as `guarded` does."""
TIMEOUT = timedelta(minutes=2)


def plant(host: XenHost) -> None:
    """Lay them out. Those of an earlier experiment that did not end well are removed first."""
    remove(host)
    _script(host, "plant")


def state(host: XenHost) -> tuple[str, ...]:
    """A line or more for each, the same as long as nobody touches it."""
    return tuple(line.strip() for line in _script(host, "state").splitlines())


def remove(host: XenHost) -> None:
    """Take them away; well if there are none."""
    _script(host, "remove")


@contextmanager
def guarded(host: XenHost) -> Iterator[None]:
    """Those of the living flight are a living flight's for the length of a block."""
    lock = take_lock(host.runner, ALIVE, Deadline.after(host.stretched(timedelta(seconds=10))))
    try:
        yield
    finally:
        lock.release()


def _script(host: XenHost, do: str) -> str:
    script = resources.files("harness.reliability").joinpath("decoys.sh").read_text("utf-8")
    words = (do, host.volumes.group, host.volumes.pool, ALIVE)
    command = Command(("sh", "-c", script, "decoys", *words), shown=f"decoys {do}")
    return host.runner.run(command, timeout=host.stretched(TIMEOUT)).stdout
