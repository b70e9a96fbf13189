"""What `xenflight hosts` shows and does. Imported when it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli import healthview
from harness.cli.hostroom import BALLOONS, room_cells, room_dict
from harness.cli.reaching import endpoint_of
from harness.errors import HostLost, LabError, UsageError, XenflightError
from harness.flight.model import HostSpec
from harness.host.drain import drain, undrain
from harness.host.health import Health, read_health
from harness.host.room import HostRoom
from harness.host.roomlook import find_room, look_script
from harness.host.slots import HostSlots, read_slots, whoami
from harness.host.xenhost import storage_of
from harness.remote.command import Runner
from harness.remote.ssh import SshRunner
from harness.wait import Deadline

LOOK = timedelta(seconds=10)
"""How long a host may take to let us in, times its timeout factor: most that don't are off."""
_LEFT = ("host", "state", "canary")
_ROOM = ("memory", "vcpus", "data", "metadata")
_COLUMNS = ("host", "state", "slots", *_ROOM, "canary")

Reach = Callable[[HostSpec], Runner | None]


class HostState(StrEnum):
    """What can be said of a host."""

    UP = "up"
    DRAINED = "drained"
    DOWN = "down"
    """A testbox that does not run; the next flight starts it."""
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, kw_only=True)
class HostStatus:
    """One host, as it was found. *found* is None when it could not be asked."""

    spec: HostSpec
    state: HostState
    why: str = ""
    found: HostSlots | None = None
    room: HostRoom | None = None
    """What else there is room for; None when the host could not tell."""
    health: Health | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON; numbers and holders are null when the host could not be asked."""
        found, slots = self.found, self.spec.slots
        return {
            "host": self.spec.name,
            "kind": self.spec.kind,
            "state": self.state,
            "why": self.why,
            "slots": slots,
            "used": len(found.held) if found else None,
            "free": found.free(slots) if found else None,
            "held": [_plain(one) for one in found.held] if found else None,
            "drained": _plain(found.drained) if found and found.drained else None,
            **room_dict(self.room, self.spec),
            "health": healthview.to_dict(self.health) if self.health else None,
        }


def reach(spec: HostSpec) -> Runner | None:
    """Log in to a host; None for a testbox that is down. `LabError` when it should be up."""
    endpoint = endpoint_of(spec)
    if endpoint is None:
        return None
    return SshRunner.connect(endpoint, Deadline.after(LOOK * max(1.0, spec.timeout_factor)))


def look_at(specs: Iterable[HostSpec], reach: Reach = reach) -> list[HostStatus]:
    """All of them, at the same time: one that is off takes its whole time to say nothing."""
    wanted = list(specs)
    with ThreadPoolExecutor(max(1, len(wanted)), "host-status") as pool:
        return list(pool.map(lambda spec: _status(spec, reach), wanted))


def status_table(statuses: Iterable[HostStatus]) -> Table:
    """A line for each host."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        table.add_column(column, no_wrap=True, justify="left" if column in _LEFT else "right")
    for status in statuses:
        found, slots = status.found, status.spec.slots
        used = f"{len(found.held)}/{slots}" if found else f"-/{slots}"
        room = room_cells(status.room, status.spec) if status.room else ("-",) * len(_ROOM)
        canary = healthview.short(status.health) if status.health else "-"
        row = (status.spec.name, status.state, used, *room, canary)
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def remarks(statuses: Iterable[HostStatus]) -> list[str]:
    """What is too long for a table: who holds slots, why a host is drained or can't be reached,
    and what is known of its health."""
    told = []
    for status in statuses:
        name, found = status.spec.name, status.found
        if status.why:
            told.append(f"{name}: {status.why}")
        if found and found.drained:
            told.append(f"{name} is {found.drained}")
        if status.room and status.room.balloons:
            told.append(f"{name}: {BALLOONS}")
        told += [f"{name}, {holder}" for holder in (found.held if found else ())]
        told += healthview.told(name, status.health) if status.health else ()
    return told


def drain_host(spec: HostSpec, reason: str, console: Console, reach: Reach = reach) -> None:
    """Let no job begin on a host any more; say which still run."""
    runner = _reached(spec, reach)
    try:
        since = int(datetime.now(UTC).timestamp())
        before = drain(runner, by=whoami(), reason=reason, since=since)
        running = read_slots(runner).held
    finally:
        runner.close()
    if before:
        _say(console, f"{spec.name} was {before}")
    _say(console, f"{spec.name} is drained now: no job begins there, on any controller")
    for holder in running:
        _say(console, f"still running: {holder}")


def undrain_host(spec: HostSpec, console: Console, reach: Reach = reach) -> None:
    """Let jobs begin there again; well if they may already."""
    runner = _reached(spec, reach)
    try:
        before = undrain(runner)
    finally:
        runner.close()
    was = f"was {before}" if before else "was not drained"
    _say(console, f"{spec.name} {was}; jobs may begin there")


def _status(spec: HostSpec, reach: Reach) -> HostStatus:
    try:
        runner = reach(spec)
        if runner is None:
            return HostStatus(spec=spec, state=HostState.DOWN)
        try:
            found, health = read_slots(runner), read_health(runner)
            room, why = _room(runner, spec)
        finally:
            runner.close()
    except XenflightError as error:
        return HostStatus(spec=spec, state=HostState.UNREACHABLE, why=str(error))
    state = HostState.DRAINED if found.drained else HostState.UP
    return HostStatus(spec=spec, state=state, why=why, found=found, room=room, health=health)


def _room(runner: Runner, spec: HostSpec) -> tuple[HostRoom | None, str]:
    """What there is room for, or why nobody can tell: who holds the slots is worth knowing, too."""
    try:
        return find_room(runner, look_script(*storage_of(spec))), ""
    except HostLost:
        raise
    except LabError as error:
        return None, str(error)


def _plain(one: Any) -> dict[str, Any]:  # noqa: ANN401  # asdict takes any dataclass
    found = asdict(one)
    return {**found, "since": found["since"] and found["since"].isoformat()}


def _reached(spec: HostSpec, reach: Reach) -> Runner:
    runner = reach(spec)
    if runner is None:
        msg = f"{spec.name} is a testbox, and down: nothing can be written there"
        raise UsageError(msg, hint=f"xenflight testbox up {spec.name}")
    return runner


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
