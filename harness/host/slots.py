"""The slots of a host: who holds each, as it is written on the host itself.

In `SLOT_DIRECTORY` each slot has a lock, ``N.lock``, which its holder holds as long as it lives,
and a record ``N``: the lease's token and since when, then what the holder says of itself. A record
is emptied when a slot is given back; one that is not, of a slot that is free, was left by a holder
that died. `harness.host.lease` takes slots.
"""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from harness.errors import LabError
from harness.host.names import RUN_DIRECTORY
from harness.host.slotshell import READ
from harness.remote.command import Command, Runner

SLOT_DIRECTORY = f"{RUN_DIRECTORY}/slots"
"""Goes with a boot, as does every lease: the connections that hold them end with it."""
DRAIN_FILE = "/var/lib/xenflight/drained"
"""Stays over a boot, which is what hosts are drained for."""
_MOST = 1000
"""Characters of anything that others wrote."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a holder says of itself: for people, and for who finds the slot after its death."""

    holder: str
    """``user@controller``."""
    flight: str
    job: str

    def to_json(self) -> str:
        """One line of ASCII."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, kw_only=True)
class SlotHolder:
    """A slot that is held. Whoever is about to write its record, or has no words, is ``?``."""

    slot: int
    token: int = 0
    since: datetime | None = None
    """By the host's clock."""
    holder: str = "?"
    flight: str = "?"
    job: str = "?"

    def __str__(self) -> str:
        since = f", since {self.since.astimezone():%Y-%m-%d %H:%M}" if self.since else ""
        return f"slot {self.slot}: {self.holder}, flight {self.flight}, job {self.job}{since}"


@dataclass(frozen=True, kw_only=True)
class Drained:
    """No job begins on the host."""

    by: str
    reason: str
    since: datetime | None

    def __str__(self) -> str:
        since = f" since {self.since.astimezone():%Y-%m-%d %H:%M}" if self.since else ""
        return f"drained by {self.by}{since}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class HostSlots:
    """What `read_slots` found."""

    held: tuple[SlotHolder, ...] = ()
    drained: Drained | None = None

    def free(self, slots: int) -> int:
        """How many of the first *slots* nobody holds."""
        return slots - sum(1 for holder in self.held if holder.slot <= slots)


def whoami() -> str:
    """``user@controller``, for others to read."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no name for this user: a container
        user = "?"
    return f"{user}@{socket.gethostname()}"


def read_slots(
    runner: Runner, directory: str = SLOT_DIRECTORY, drain_file: str = DRAIN_FILE
) -> HostSlots:
    """Who holds which slot now, and whether the host is drained: one command."""
    said = runner.run(Command(("sh", "-c", READ, "read-slots", directory, drain_file))).stdout
    held, drained = [], None
    for line in said.splitlines():
        word, _, rest = line.partition(" ")
        if word == "held":
            held.append(parse_holder(rest))
        elif word == "drained":
            drained = parse_drained(rest)
    return HostSlots(held=tuple(sorted(held, key=lambda one: one.slot)), drained=drained)


def parse_holder(text: str) -> SlotHolder:
    """What the shell's ``tell`` said of a slot; `LabError` when it is none of its lines."""
    slot, _, record = text.partition(" ")
    token, _, rest = record.partition(" ")
    since, _, claim = rest.partition(" ")
    try:
        number = int(slot)
    except ValueError as error:
        msg = f"this is no slot: {printable(text)!r}"
        raise LabError(msg) from error
    words = _words(claim, ("holder", "flight", "job"))
    return SlotHolder(
        slot=number, token=int(token) if token.isdigit() else 0, since=_moment(since), **words
    )


def parse_drained(text: str) -> Drained:
    """What stands in `DRAIN_FILE`, whoever wrote it: even nonsense drains the host."""
    words = _words(text, ("by", "reason", "since"))
    since = _moment(words.pop("since"))
    return Drained(by=words["by"], reason=words["reason"], since=since)


def printable(text: str) -> str:
    """*text* of others, for a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text[:_MOST])


def _words(text: str, names: Iterable[str]) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    known = found if isinstance(found, dict) else {}
    return {name: printable(str(known.get(name, "?"))) for name in names}


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError):
        return None
