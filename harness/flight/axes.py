"""The axes of the matrix and the words each accepts.

A word is listed once the harness can really build and boot it, not before.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from harness.flight.hints import did_you_mean

E = TypeVar("E", bound=StrEnum)


class Dist(StrEnum):
    """The guest's distribution, by Debian's code name."""

    BOOKWORM = "bookworm"
    TRIXIE = "trixie"


class Arch(StrEnum):
    """The guest's architecture, by Debian's name."""

    AMD64 = "amd64"


class Virt(StrEnum):
    """How Xen runs the guest: the ``type=`` of xl.cfg(5)."""

    PV = "pv"
    PVH = "pvh"


class Boot(StrEnum):
    """What loads the guest's kernel. ``direct``: xl does, from files in dom0."""

    DIRECT = "direct"


class Pocket(StrEnum):
    """A part of a Debian mirror that a flight may leave out."""

    UPDATES = "updates"
    SECURITY = "security"


class Keep(StrEnum):
    """When a run leaves its guests and volumes behind for someone to look at."""

    NEVER = "never"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


def choose(axis: type[E], value: object) -> E:
    """The member of *axis* written as *value*; `ValueError` lists what is accepted."""
    words = [member.value for member in axis]
    if not isinstance(value, str) or value not in words:
        msg = f"unknown {axis.__name__.lower()} {value!r}{did_you_mean(str(value), words)}"
        raise ValueError(msg)
    return axis(value)
