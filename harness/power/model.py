"""What every way of switching a host's power can do."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class PowerState(StrEnum):
    """Whether a host has power."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"
    """Nobody can tell."""


class Power(Protocol):
    """Switches one host. All its errors are `LabError`, with what the switch said."""

    @property
    def name(self) -> str:
        """What does it, for people: ``ipmitool at bmc.example``."""
        ...

    def status(self) -> PowerState:
        """Ask whether the host has power."""
        ...

    def cycle(self) -> None:
        """Take the power away and give it back; just give it when the host has none.

        Returns when that was done, which says nothing of whether the host comes back.
        """
        ...

    def log(self) -> bytes:
        """What was recorded of the host outside of it, its end at least; empty where nothing is.

        A console's text, or a BMC's events.
        """
        ...
