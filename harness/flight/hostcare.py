"""What hosts.yaml says of a host that fails: how it is power-cycled, and what proves it well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

BOOT_TIMEOUT = timedelta(minutes=10)
CANARY_INTERVAL = timedelta(minutes=15)
CANARY_TIMEOUT = timedelta(minutes=5)
IPMI_PORT = 623
IPMI_INTERFACE = "lanplus"


class PowerCycle(StrEnum):
    """When a host that does not answer may be power-cycled."""

    NEVER = "never"
    ALONE = "alone"
    """When, as it last answered, nobody else used it: no lease of another flight, and no domain
    but dom0 and the flight's own."""
    ALWAYS = "always"
    """Also when others' guests on it end with that."""


class CanaryWhen(StrEnum):
    """When a canary runs by itself."""

    NEVER = "never"
    BROKEN = "broken"
    """After a job that was ``broken`` on the host."""


@dataclass(frozen=True, kw_only=True)
class IpmiSpec:
    """A host's baseboard management controller (BMC), as ``ipmitool`` reaches it.

    Its password is named and not given: by *password_file*, a path as written (a leading ``~`` is
    the user's home), or by *password_env*, a variable in the environment of the controller.
    """

    address: str
    user: str
    port: int = IPMI_PORT
    interface: str = IPMI_INTERFACE
    password_file: str | None = None
    password_env: str | None = None


@dataclass(frozen=True, kw_only=True)
class PowerCommands:
    """Command lines of the user's, run on the controller, in words: no shell reads them."""

    cycle: tuple[str, ...]
    status: tuple[str, ...] = ()
    """It says ``on`` or ``off``; empty: nobody can tell."""
    log: tuple[str, ...] = ()
    """It says what the host's console, or its BMC, recorded; empty: nothing does."""


@dataclass(frozen=True, kw_only=True)
class PowerSpec:
    """How a host is power-cycled. A testbox needs neither *ipmi* nor *command*."""

    cycle: PowerCycle = PowerCycle.ALONE
    boot_timeout: timedelta = BOOT_TIMEOUT
    """From the power cycle until xl answers. Nothing stretches it."""
    ipmi: IpmiSpec | None = None
    command: PowerCommands | None = None


@dataclass(frozen=True, kw_only=True)
class CanarySpec:
    """The guest that decides whether a host is well."""

    when: CanaryWhen = CanaryWhen.BROKEN
    interval: timedelta = CANARY_INTERVAL
    """Not more than one in that time, as long as the host does not boot."""
    timeout: timedelta = CANARY_TIMEOUT
    """For all of it, on hardware; the host's ``timeout_factor`` stretches it."""


USUAL_CANARY = CanarySpec()
"""For hosts of which hosts.yaml says nothing else."""
