"""What the harness must know of each distribution. One module for each family registers here."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import UsageError

FAMILIES: dict[str, Dist] = {}
"""Every known distribution, by the name that a flight uses."""


@dataclass(frozen=True, kw_only=True)
class Dist:
    """One release of a distribution."""

    name: str
    """As in a flight file, and as the mirror calls the suite."""
    family: str
    title: str
    """For people: ``Debian 12 (bookworm)``."""
    kernel_package: str
    """The kernel that boots as PV, PVH and HVM guest."""
    packages: tuple[str, ...]
    """What a guest needs to be tested: init, network, SSH server, tools to make an initramfs."""
    interface: str
    """The name that udev gives to the first Xen network interface."""
    console: str = "hvc0"
    """The serial console of a PV or PVH guest."""
    user: str = "root"


def register(*dists: Dist) -> None:
    """Make distributions known by their names."""
    FAMILIES.update({dist.name: dist for dist in dists})


def find_dist(name: str) -> Dist:
    """The distribution of that name; `UsageError` lists the known ones."""
    # Here, because the families import this module.
    from harness.guest import debian  # noqa: F401

    try:
        return FAMILIES[name]
    except KeyError as error:
        msg = f"unknown dist {name!r}; known are: {', '.join(sorted(FAMILIES))}"
        raise UsageError(msg, hint="docs/adding-a-dist.md says how to add one") from error
