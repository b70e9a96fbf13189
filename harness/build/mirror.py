"""A mirror as a host and its guests reach it."""

from __future__ import annotations

from urllib.parse import urlsplit

from harness.errors import UsageError
from harness.flight.model import HostSpec
from harness.mirror.mirror import Mirror
from harness.mirror.proxy import LOOPBACK, AptCache, Running

CONTROLLER_OF_TESTBOX = "10.0.2.2"
"""The controller's loopback, seen from inside a testbox: QEMU's user network (-netdev user)."""


def mirror_for_host(spec: HostSpec, mirror: Mirror, cache: AptCache, running: Running) -> str:
    """The URL of the main archive to give to builders on the host of *spec*.

    Inside a testbox the controller's package cache can be reached; it listens on loopback only, so
    any other host takes *mirror* itself. `UsageError` when that is loopback, too.
    """
    if spec.testbox:
        return cache.through(running, CONTROLLER_OF_TESTBOX).main
    if urlsplit(mirror.main).hostname in ("localhost", "127.0.0.1", "::1"):
        msg = f"the mirror {mirror.main} is on this machine's loopback: {spec.name} can't reach it"
        raise UsageError(msg, hint="name it in the flight as that host sees it: `mirror: URL`")
    return mirror.main


def as_controller(url: str) -> str:
    """What `mirror_for_host` gave for a host, as the controller itself reaches it."""
    parts = urlsplit(url)
    if parts.hostname != CONTROLLER_OF_TESTBOX:
        return url
    return parts._replace(netloc=f"{LOOPBACK}:{parts.port or 80}").geturl()
