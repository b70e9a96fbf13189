"""What a schedule comes to: the board, driven by a clock that is only counted.

Durations are what is expected, or what somebody gives; nothing waits, nothing is touched.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from harness.schedule.board import Board, Work

Seconds = Callable[[str, str | None], float]
"""How long a job takes on a host."""


class Bar(NamedTuple):
    """A job in a slot of a host. Seconds since the first began."""

    job: str
    host: str
    slot: int
    """From 1."""
    begin: float
    end: float


class AllReady:
    """Signs of a flight in which every image is there, and nobody else is on the hosts."""

    def __init__(self, work: Sequence[Work]) -> None:
        self._hosts = {one.job: one.hosts for one in work}

    def ready(self, job: str) -> Collection[str]:
        """See `Signs.ready`."""
        return self._hosts[job]

    def waits(self, job: str) -> bool:
        """See `Signs.waits`."""
        del job
        return False


def forecast(
    work: Sequence[Work], hosts: Mapping[str, int], seconds: Seconds, workers: int
) -> list[Bar]:
    """When each job of *work* that has a host runs, and where, with *workers* at once."""
    board = Board(work, hosts, AllReady(work))
    free = {name: list(range(1, slots + 1)) for name, slots in hosts.items()}
    running: list[tuple[float, int, Bar]] = []
    bars: list[Bar] = []
    now = 0.0
    while True:
        while len(running) < workers and (turn := board.give()):
            if turn.host is None:
                board.over(turn.job)
                continue
            slot = heapq.heappop(free[turn.host])
            bar = Bar(turn.job, turn.host, slot, now, now + seconds(turn.job, turn.host))
            heapq.heappush(running, (bar.end, len(bars), bar))
            bars.append(bar)
        if not running:
            return bars
        now, _, over = heapq.heappop(running)
        board.over(over.job)
        heapq.heappush(free[over.host], over.slot)


def lower_bound(seconds: Collection[float], slots: int) -> float:
    """No schedule is shorter than that: all work spread evenly, or the longest job."""
    return max(sum(seconds) / max(1, slots), max(seconds, default=0.0))


def makespan(bars: Collection[Bar]) -> float:
    """When the last job ends."""
    return max((bar.end for bar in bars), default=0.0)
