"""How a domain's name tells which flight it belongs to.

The name is set when the domain is made, so there is no moment in which a domain has no
owner; xenstore keys and files would come later.
"""

from __future__ import annotations

import hashlib
import re

RUN_DIRECTORY = "/run/xenflight"
"""On the host: locks, configurations, what else belongs to flights that run."""

_DOMAIN = re.compile(r"xf\.(?P<run>[a-z0-9-]+)\.(?P<job>[0-9a-f]{10})")


def domain_name(run: str, job: str) -> str:
    """The name of a job's domain."""
    digest = hashlib.sha256(f"{run}\0{job}".encode()).hexdigest()
    return f"xf.{run}.{digest[:10]}"


def run_of_domain(name: str) -> str | None:
    """The flight that a domain belongs to; None if it is none of ours."""
    match = _DOMAIN.fullmatch(name)
    return match["run"] if match else None


def run_directory(run: str) -> str:
    """A flight's own files on the host."""
    return f"{RUN_DIRECTORY}/flights/{run}"
