"""When faults strike: each is looked for at the place where it would happen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.flight.faults import Fault, FaultKind
from harness.sim.clock import SimClock

AT: dict[FaultKind, str] = {
    FaultKind.LV_BUSY: "lvremove",
    FaultKind.LOCK_HELD: "golden-*",
    FaultKind.SLOW_DISK: "*",
}
"""At which commands a kind strikes that leaves `Fault.on` out; any, for those not named here."""


@dataclass(kw_only=True)
class _Live:
    """A fault, and what became of it so far."""

    fault: Fault
    seen: int = 0
    struck: int = 0
    first: float | None = None


class Faults:
    """The faults of one host."""

    def __init__(self, clock: SimClock, faults: Iterable[Fault] = ()) -> None:
        self._clock = clock
        self._born = clock.monotonic()
        self._live: list[_Live] = []
        self.struck: Counter[FaultKind] = Counter()
        """How often each kind struck, for tests: one that never did proves nothing."""
        self.add(*faults)

    def add(self, *faults: Fault) -> None:
        """More of them."""
        self._live += [_Live(fault=fault) for fault in faults]

    def clear(self) -> None:
        """All is well from now on."""
        self._live.clear()

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """All is well for the length of a block, and none of it counts."""
        live, self._live = self._live, []
        try:
            yield
        finally:
            self._live = live

    def strike(self, *kinds: FaultKind, job: str = "", command: str = "") -> Fault | None:
        """This is an occasion for *kinds*: the fault that strikes now, if one does.

        *job* is whose guest it is about, empty when that is nobody's or not known.
        """
        for live in self._live:
            fault = live.fault
            if fault.kind in kinds and _fits(fault, job, command) and self._strikes(live):
                self.struck[fault.kind] += 1
                return fault
        return None

    def _strikes(self, live: _Live) -> bool:
        now, fault = self._clock.monotonic(), live.fault
        if now - self._born < fault.after.total_seconds():
            return False
        begun = now if live.first is None else live.first
        if fault.lasts is not None and now - begun >= fault.lasts.total_seconds() > 0:
            return False
        live.seen += 1
        if live.seen <= fault.skip or (fault.times is not None and live.struck >= fault.times):
            return False
        live.struck += 1
        live.first = begun
        return True


def _fits(fault: Fault, job: str, command: str) -> bool:
    if fault.job != "*" and not fnmatchcase(job, fault.job):
        return False
    wanted = fault.on or AT.get(fault.kind, "*")
    return wanted == "*" or fnmatchcase(command, wanted)
