"""A host's health, as it is written on the host: its canaries, broken jobs and power cycles.

All controllers write there, so that each knows what the others found. A line is the time, by the
host's clock, and JSON; of more than `MOST` lines the older half goes. What cannot be read is no
reason to fail: it is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from harness.host.slots import printable
from harness.remote.command import Command, Runner

HISTORY = "/var/lib/xenflight/health"
"""On the host. It stays over a boot."""
MOST = 1000
"""Lines."""
READ = 100
"""Lines that are read, from the end."""
_TEXTS = ("by", "boot", "flight", "job", "reason")
_LONGEST = 400
"""Characters of one text, so that a line stays short enough for an argument of a command."""

# What a writer that was killed left of a line must not spoil the next one. The time of day as a
# testbox has it when it was resumed is set right before anyone gets here.
_APPEND = """\
umask 022
mkdir -p "${1%/*}"
exec 9>>"$1.lock"
flock --wait 20 9
[ ! -s "$1" ] || [ -z "$(tail -c 1 "$1")" ] || echo >>"$1"
printf '%s %s\\n' "$(date +%s)" "$2" >>"$1"
[ "$(wc -l <"$1")" -le "$3" ] || { tail -n "$(($3 / 2))" "$1" >"$1.new"; mv "$1.new" "$1"; }
"""
_READ = 'tail -n "$2" "$1" 2>/dev/null || :'


class EventKind(StrEnum):
    """What happened."""

    CANARY = "canary"
    BROKEN = "broken"
    """A job was, and the host may be why."""
    POWER = "power"
    """The host was power-cycled."""


class Verdict(StrEnum):
    """What a canary proved."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    """Nothing: it did not come to begin, or the host was only busy."""


@dataclass(frozen=True, kw_only=True)
class HealthEvent:
    """One line of the history."""

    kind: EventKind
    at: datetime | None = None
    """By the host's clock; None: not written yet, or unreadable."""
    by: str = "?"
    """``user@controller``."""
    boot: str = ""
    """The boot id of dom0."""
    verdict: Verdict = Verdict.UNKNOWN
    seconds: float = 0.0
    flight: str = ""
    job: str = ""
    reason: str = ""

    def to_json(self) -> str:
        """One line of ASCII, without the time."""
        found = asdict(self)
        del found["at"]
        return json.dumps({name: _short(value) for name, value in found.items()})

    @classmethod
    def parse(cls, line: str) -> Self | None:
        """What stands in a line of the history; None for nonsense."""
        when, _, text = line.partition(" ")
        try:
            found = json.loads(text)
            at = datetime.fromtimestamp(int(when), UTC)
            return cls(
                at=at,
                kind=EventKind(found["kind"]),
                verdict=Verdict(found.get("verdict", Verdict.UNKNOWN)),
                seconds=max(0.0, float(found.get("seconds", 0.0))),
                **{name: printable(str(found.get(name, ""))) for name in _TEXTS},
            )
        except (ValueError, OverflowError, OSError, KeyError, TypeError, AttributeError):
            return None


@dataclass(frozen=True, kw_only=True)
class Health:
    """What is known of a host's health: the newest of each kind."""

    canary: HealthEvent | None = None
    broken: HealthEvent | None = None
    power: HealthEvent | None = None

    @classmethod
    def of(cls, events: Iterable[HealthEvent]) -> Self:
        """From *events*, the newest last."""
        return cls(**{event.kind.value: event for event in events})


def note_health(runner: Runner, event: HealthEvent, history: str = HISTORY) -> None:
    """Add *event* to the history of the runner's host; `LabError` when that can't be."""
    runner.run(Command.script("note-health", _APPEND, history, event.to_json(), MOST))


def read_health(runner: Runner, history: str = HISTORY) -> Health:
    """What the history says."""
    command = Command.script("read-health", _READ, history, READ)
    lines = runner.run(command).stdout.splitlines()
    return Health.of(event for line in lines if (event := HealthEvent.parse(line)))


def _short(value: Any) -> Any:  # noqa: ANN401 (JSON)
    return value[:_LONGEST] if type(value) is str else value
