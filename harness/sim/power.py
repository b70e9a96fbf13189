"""The power of a simulated host."""

from __future__ import annotations

from harness.errors import LabError
from harness.flight.faults import FaultKind
from harness.power.model import PowerState
from harness.sim.host import SimHost

_SWITCHING = 5.0
"""Seconds between off and on, as a BMC has it."""


class SimPower:
    """A `harness.power.model.Power`."""

    def __init__(self, host: SimHost) -> None:
        self._host = host

    @property
    def name(self) -> str:
        """What does it."""
        return f"the simulated switch of {self._host.name}"

    def status(self) -> PowerState:
        """See `Power.status`."""
        self._ask()
        return PowerState.ON if self._host.powered else PowerState.OFF

    def cycle(self) -> None:
        """See `Power.cycle`."""
        self._ask()
        self._host.lose_power()
        self._host.clock.sleep(_SWITCHING)
        self._host.switch_on()

    def log(self) -> bytes:
        """What the host said on its serial line."""
        self._ask()
        return self._host.said

    def _ask(self) -> None:
        self._host.clock.sleep(0.5)
        if self._host.faults.strike(FaultKind.POWER_FAILS):
            msg = f"{self.name} does not answer: its management controller is hung"
            raise LabError(msg)
