"""Power through commands of the user's: a switched socket, a vendor's tool, anything."""

from __future__ import annotations

import re
from datetime import timedelta

from harness.flight.hostcare import PowerCommands
from harness.power.model import PowerState
from harness.remote.command import Command, Runner

TIMEOUT = timedelta(minutes=2)
"""For one command. Sockets are left off for some seconds, and servers take a while to ask."""
VARIABLE = "XENFLIGHT_HOST"
"""In the environment of each command: the host's name in hosts.yaml."""
_WORD = re.compile(r"\b(on|off)\b", re.IGNORECASE)


class CommandPower:
    """The power of the host called *host*."""

    def __init__(self, host: str, commands: PowerCommands, runner: Runner) -> None:
        self._host = host
        self._commands = commands
        self._runner = runner

    @property
    def name(self) -> str:
        """What does it."""
        return f"the command {self._commands.cycle[0]}"

    def status(self) -> PowerState:
        """What the command says, if it says one of ``on`` and ``off``, and not both."""
        words = {word.lower() for word in _WORD.findall(self._run(self._commands.status))}
        return PowerState(words.pop()) if len(words) == 1 else PowerState.UNKNOWN

    def cycle(self) -> None:
        """See `Power.cycle`."""
        self._run(self._commands.cycle)

    def log(self) -> bytes:
        """See `Power.log`."""
        return self._run(self._commands.log).encode()

    def _run(self, words: tuple[str, ...]) -> str:
        if not words:
            return ""
        command = Command(words, env={VARIABLE: self._host})
        return self._runner.run(command, timeout=TIMEOUT).stdout
