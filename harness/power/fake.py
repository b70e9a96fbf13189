"""A power switch for tests: it does what it is told beforehand, and remembers what was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from harness.errors import LabError
from harness.power.model import PowerState


@dataclass
class FakePower:
    """The power of a host in memory."""

    state: PowerState = PowerState.ON
    on_cycle: Callable[[], None] = lambda: None
    """What becomes of the host when its power is cycled."""
    fails: str = ""
    """Why nothing can be switched or asked."""
    said: bytes = b""
    """The log."""
    asked: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What does it."""
        return "a fake switch"

    def status(self) -> PowerState:
        """See `Power.status`."""
        self._ask("status")
        return self.state

    def cycle(self) -> None:
        """See `Power.cycle`."""
        self._ask("cycle")
        self.state = PowerState.ON
        self.on_cycle()

    def log(self) -> bytes:
        """See `Power.log`."""
        self._ask("log")
        return self.said

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.fails:
            raise LabError(self.fails)
