"""How a domain's name tells which flight it belongs to, and where a flight's files are.

The name is set when the domain is made, so there is no moment in which a domain has no
owner; xenstore keys and files would come later.
"""

from __future__ import annotations

import hashlib
import re

from harness.xen.moves import PASSING

RUN_DIRECTORY = "/run/xenflight"
"""On the host: locks, configurations, what else belongs to flights that run."""
BUILD_DIRECTORY = "/var/lib/xenflight/builds"
"""On the host: what builders need while they run. On disk, for it can be large."""

BUILDS_FOR_RUN = "XENFLIGHT_BUILDS_FOR_RUN"
BUILDS_GUEST = "XENFLIGHT_BUILDS_GUEST"
"""In the environment of a builder and of all that it starts: which flight and which guest it
works for. Children inherit it, and nobody else has it."""

NEIGHBOUR = "neighbour"
"""The second guest of a job: so its domain's name ends, and the names of its volumes begin."""
_ENDINGS = (*PASSING, f"--{NEIGHBOUR}")
_DOMAIN = re.compile(
    r"(?P<name>xf\.(?P<run>[a-z0-9-]+)\.(?P<job>[0-9a-f]{10}))" rf"(?:{'|'.join(_ENDINGS)})?"
)

_FLIGHT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*-\d{8}-\d{6}-[0-9a-f]{6}")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def is_plain(name: str) -> bool:
    """Whether *name*, which stands in a tag or a directory on a host for anybody to write, can be
    that of a flight or an image of ours. Its directory is removed, so it may not be ``../..``."""
    return bool(_PLAIN.fullmatch(name))


def is_flight_id(name: str) -> bool:
    """Whether *name* is made like the id of a flight (`harness.flight.plan.make_plan`)."""
    return bool(_FLIGHT.fullmatch(name))


def domain_prefix(run: str) -> str:
    """What the names of all domains of a flight begin with, and of no other's."""
    return f"xf.{run}."


def domain_name(run: str, job: str, part: str = "") -> str:
    """The name of a job's domain; or of its `NEIGHBOUR`."""
    digest = hashlib.sha256(f"{run}\0{job}".encode()).hexdigest()
    name = f"xf.{run}.{digest[:10]}"
    return neighbour_name(name) if part == NEIGHBOUR else name


def neighbour_name(name: str) -> str:
    """The name of the second domain of the job whose first is called *name*."""
    return f"{name}--{NEIGHBOUR}"


def run_of_domain(name: str) -> str | None:
    """The flight that a domain belongs to; None if it is none of ours."""
    match = _DOMAIN.fullmatch(name)
    return match["run"] if match and is_plain(match["run"]) else None


def passing_names(name: str) -> tuple[str, ...]:
    """What else the domains of a job are called: its own, *name*, while it moves, and the other."""
    return tuple(name + ending for ending in _ENDINGS)


def own_name(name: str) -> str:
    """The name of the job's own domain: without what it ends with while that moves."""
    match = _DOMAIN.fullmatch(name)
    return match["name"] if match else name


def saved_file(run: str, name: str) -> str:
    """Where the domain *name* of a flight is saved on the host.

    Among what builders make: on disk, looked for by the leak check, and removed with all of a dead
    flight's. `ValueError` for what can't name a flight or a domain.
    """
    return build_directory(run, f"{name}.save")


def run_directory(run: str) -> str:
    """A flight's own files on the host; `ValueError` for what can't name a flight."""
    return f"{RUN_DIRECTORY}/flights/{_checked(run)}"


def build_directory(run: str, hostname: str = "") -> str:
    """Where the builders of a flight work, or the one that builds the guest *hostname*.

    `ValueError` for what can't name a flight or a guest.
    """
    parts = (run, hostname) if hostname else (run,)
    return "/".join([BUILD_DIRECTORY, *map(_checked, parts)])


def built_volumes(hostname: str) -> tuple[str, str]:
    """The LVs of a guest that is built on the host, root first: xen-create-image's names."""
    return f"{hostname}-disk", f"{hostname}-swap"


def _checked(name: str) -> str:
    if not is_plain(name):
        msg = f"{name!r} can't name a directory on a host"
        raise ValueError(msg)
    return name
