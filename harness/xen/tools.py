"""What a guest under test needs of the toolstack that its job names, whichever that is.

Queries, and all that removes a guest, go through xl whatever made it: libxl knows all domains.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from harness.flight.axes import Toolstack
from harness.remote.command import Runner
from harness.xen.devices import Devices, XlDevices
from harness.xen.domain import Domain
from harness.xen.libvirt import Libvirt
from harness.xen.libvirtdevices import LibvirtDevices
from harness.xen.libvirtmoves import LibvirtMoves
from harness.xen.moves import Moves, XlMoves
from harness.xen.toolstack import Xl


class Lives(Protocol):
    """Has a domain begin, stand still and end. `CommandFailed` when it says no."""

    def create_paused(self, config_text: str, name: str) -> Domain:
        """Make what the xl.cfg(5) *config_text* says, paused; `CreateRefused` when it is not."""
        ...

    def unpause(self, name: str) -> None:
        """Let a paused domain run."""
        ...

    def pause(self, name: str) -> None:
        """Stop it where it is."""
        ...

    def shutdown(self, name: str) -> None:
        """Ask its guest to power off; returns at once."""
        ...

    def destroy(self, name: str, timeout: timedelta) -> None:
        """End it without asking."""
        ...


@dataclass(frozen=True, kw_only=True)
class Tools:
    """One toolstack of one host. *devices* waits *patience* for each thing that it changes."""

    name: Toolstack
    lives: Lives
    moves: Moves
    devices: Devices


def tools_of(toolstack: Toolstack, runner: Runner, patience: timedelta) -> Tools:
    """The toolstack of that name, all of whose commands go through *runner*."""
    if toolstack is Toolstack.LIBVIRT:
        return Tools(
            name=toolstack,
            lives=Libvirt(runner),
            moves=LibvirtMoves(runner),
            devices=LibvirtDevices(runner, patience),
        )
    return Tools(
        name=toolstack,
        lives=Xl(runner),
        moves=XlMoves(runner),
        devices=XlDevices(runner, patience),
    )
