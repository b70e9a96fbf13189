"""One round of the experiment: a flight is killed, and then the host is looked at."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from harness.errors import LabError
from harness.host.census import Census, Entry
from harness.host.censustaking import take_census
from harness.host.lock import dead_locks
from harness.host.xenhost import XenHost
from harness.reliability.decoys import guarded, state
from harness.reliability.victim import Aim, Place
from harness.wait import SYSTEM_CLOCK, Clock, Deadline, NotYet, wait_for

_FREED = timedelta(seconds=30)
"""For the host to notice that a controller is dead: its SSH connection ends with it."""
_MAY_APPEAR = re.compile(
    # The lock of an image's golden volume, and who held which slot when: empty, or of the dead.
    r"/run/xenflight/locks/(?:golden-\w+|canary)"
    r"|/run/xenflight/slots/(?:gate|token|admission|\d+|\d+\.lock)"
    # Directories that libxl makes with a host's first domain, and never removes.
    r"|/(?:local/domain|vm|libxl)"
)


class Cleaner(StrEnum):
    """Who tidies up after the dead."""

    REAP = "reap"
    RUN = "run"
    """The next flight, which has to pass besides."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """When and how a flight is killed. *after* in seconds from its start."""

    number: int
    after: float
    aim: Aim
    cleaner: Cleaner


@dataclass(frozen=True, kw_only=True)
class Round:
    """What came of it. All is well when *wrong* is empty."""

    number: int
    after: float
    aim: Aim
    cleaner: Cleaner
    doing: str
    """What the flight did when it died, as far as it had written that down."""
    left: tuple[str, ...] = ()
    """What is on the host now and was not before."""
    touched: tuple[str, ...] = ()
    """What was of others, and is changed or gone."""
    problem: str = ""
    """Why the round can't be judged, or what the cleaner said when it did not end well."""
    memory: int = 0
    """MiB of the hypervisor's free memory that are missing."""
    seconds: float = 0.0

    def __str__(self) -> str:
        shot = f"kill {self.number}, {self.aim} after {self.after:.1f} s"
        return f"{shot} ({self.doing}), then {self.cleaner}"

    @property
    def wrong(self) -> str:
        """What is not as it should be; empty when all is well."""
        parts = []
        if self.left:
            parts.append(f"left: {', '.join(self.left)}")
        if self.touched:
            parts.append(f"touched: {', '.join(self.touched)}")
        if self.problem:
            parts.append(self.problem)
        return "; ".join(parts)


def shots(number: int, length: float, seed: int) -> Iterator[Shot]:
    """*number* of them, at random moments of a flight that takes *length* seconds.

    A third is aimed at the whole group, a quarter is left to the next flight. The same *seed*
    gives the same ones, but for the length.
    """
    dice = random.Random(seed)  # an experiment, no secret
    for count in range(1, number + 1):
        after = dice.uniform(0.0, length)
        aim = Aim.GROUP if dice.random() < 1 / 3 else Aim.CONTROLLER
        cleaner = Cleaner.RUN if dice.random() < 1 / 4 else Cleaner.REAP
        yield Shot(number=count, after=after, aim=aim, cleaner=cleaner)


def play(
    shot: Shot, host: XenHost, place: Place, words: Iterable[str], clock: Clock = SYSTEM_CLOCK
) -> Round:
    """Start ``xenflight run WORDS``, kill it, have the host tidied, and compare it with before.

    `LabError` when the host can't be read; what the flights do wrong is in the round.
    """
    began = clock.monotonic()
    words = tuple(words)
    with guarded(host):
        before, others = take_census(host), state(host)
        known = place.flights()
        victim = place.start("run", *words)
        clock.sleep(shot.after)
        victim.kill(shot.aim)
        doing = place.doing() if place.flights() - known else "nothing yet"
        problem = _await_death(host, place.flights() - known)
        verb = ("reap", "--host", host.name) if shot.cleaner is Cleaner.REAP else ("run", *words)
        done = place.xenflight(*verb)
        if not done.ok:
            problem += f"{verb[0]} ended with {done.exit_status}: {done.stdout}{done.stderr}"
        after, touched = take_census(host), _changed(others, state(host))
    return Round(
        number=shot.number,
        after=round(shot.after, 2),
        aim=shot.aim,
        cleaner=shot.cleaner,
        doing=doing,
        left=tuple(map(str, new_entries(before, after))),
        touched=(*touched, *map(str, appeared(after, before))),
        problem=problem.strip(),
        memory=before.free_memory - after.free_memory,
        seconds=round(clock.monotonic() - began, 1),
    )


def new_entries(before: Census, after: Census) -> list[Entry]:
    """What appeared, less what a flight may leave: golden volumes, locks, slots."""
    golden = {one.name for one in after.volumes if "xenflight.role=golden" in one.tags}
    # A volume's name in device-mapper has its hyphens doubled (lvm(8)).
    names = golden | {name.replace("-", "--") for name in golden}
    return [
        entry
        for entry in appeared(before, after)
        if not _MAY_APPEAR.fullmatch(entry.name) and not any(name in entry.name for name in names)
    ]


def appeared(before: Census, after: Census) -> list[Entry]:
    """What is there now and was not, whoever it is that it belongs to."""
    known = {entry.key for entry in before.entries}
    found = (entry for entry in after.entries if entry.key not in known)
    return sorted(found, key=lambda entry: entry.place)


def _await_death(host: XenHost, flights: set[str]) -> str:
    """Until the host knows that they are dead: nobody may touch them before."""

    def dead() -> None:
        alive = flights - dead_locks(host.runner, flights)
        if alive:
            msg = f"the lock of {', '.join(alive)} is held"
            raise NotYet(msg)

    try:
        bound = Deadline.after(host.stretched(_FREED))
        wait_for(dead, what="the end of the dead flight's lock", deadline=bound)
    except LabError as error:
        return f"{error}; "
    return ""


def _changed(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"was {line}" for line in before if line not in after)
