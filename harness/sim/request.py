"""What a simulated host is asked, and what it answers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.remote.command import Command

if TYPE_CHECKING:
    from harness.sim.host import SimHost

_WITH_VERBS = ("xl",)
_PLAIN = re.compile(r"[\w./ =:,+@-]+")
QUICK = 0.02
"""Seconds that a small program takes on hardware, its round trip included."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One command. *words* are what follows its name."""

    name: str
    words: tuple[str, ...]
    stdin: bytes = b""
    job: str = ""
    """Whose guest it is about, as far as that is known."""

    @property
    def rest(self) -> tuple[str, ...]:
        """The words that are no options."""
        return tuple(word for word in self.words if not word.startswith("-"))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a command ends. *seconds*: how long it takes on hardware."""

    stdout: str = ""
    stderr: str = ""
    status: int = 0
    seconds: float = QUICK
    disk: bool = False
    """Whether most of that is a disk's time."""
    hangs: bool = False
    """It has done what it should, and does not end."""


Handler = Callable[["SimHost", Request], Answer]


def name_of(command: Command) -> str:
    """By what a command is known: its script's name, or its program, and xl's verb."""
    if script := command.script_name:
        return script
    program = command.argv[0].rpartition("/")[2]
    verb = next((word for word in command.argv[1:] if not word.startswith("-")), "")
    return f"{program} {verb}" if program in _WITH_VERBS and verb else program


def words_of(command: Command) -> tuple[str, ...]:
    """What follows that name."""
    if command.script_name:
        return command.argv[4:]
    name = name_of(command)
    return command.argv[2:] if " " in name else command.argv[1:]


def plain(command: Command) -> Command:
    """*command*; a nameless script that is one program and its arguments becomes that."""
    if command.argv[:2] != ("sh", "-ec") or len(command.argv) != 3:
        return command
    text = command.argv[2]
    return replace(command, argv=tuple(shlex.split(text))) if _PLAIN.fullmatch(text) else command
